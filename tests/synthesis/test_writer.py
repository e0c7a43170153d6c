"""Answers are the model's own, however its files are kept and its prompt is read."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MistralConfig,
    PretrainedConfig,
)

from tests.support.writers import LETTERS, WORDS, write_gguf, write_model
from tlbench.config.schema import Synthesis
from tlbench.plan.writer_files import identify
from tlbench.synthesis.writer import Writer, Written

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.5,  # so that what a model remembers decides what it writes
}
EXAMPLES = [(" ".join(WORDS[n : n + 5]),) for n in range(6)]  # a prompt of more than 30 words


def writer_of(model: Path) -> Writer:
    options = Synthesis(model=str(model), batch=3, max_new_tokens=20)
    return Writer(options, identify(options.model, None), torch.device("cpu"))


def written(writer: Writer) -> list[Written]:
    return writer.write("one", EXAMPLES, 1, seed=0)


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SIZES),
        MistralConfig(**SIZES, sliding_window=8),
        GPT2Config(n_embd=16, n_layer=2, n_head=2, initializer_range=0.5),
    ],
    ids=["llama", "mistral_that_sees_8_words", "gpt2"],
)
def test_a_prompt_is_read_once_for_all_answers(
    config: PretrainedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of(write_model(tmp_path, config=config))
    read: list[tuple[int, int]] = []
    writer.model.base_model.register_forward_pre_hook(
        lambda _, inputs, named: read.append((*inputs, *named.values())[0].shape), with_kwargs=True
    )
    answers = written(writer)
    longest = max(tokens for _, tokens in read)
    assert longest > 30
    assert [rows for rows, tokens in read if tokens == longest] == [1]
    assert {tokens for rows, tokens in read if rows == 3} == {1}
    monkeypatch.setattr(Writer, "_read", lambda *_: None)
    assert answers == written(writer)
    assert len({answer.text for answer in answers}) == 3


def test_a_model_without_keys_and_values_answers_too(tmp_path: Path) -> None:
    config = MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=4)
    answers = written(writer_of(write_model(tmp_path, config=config)))
    assert len(answers) == 3
    assert all(answer.tokens for answer in answers)


def test_a_gguf_file_is_the_model_that_it_was_made_of(tmp_path: Path) -> None:
    model = LlamaForCausalLM(LlamaConfig(**SIZES, vocab_size=len(LETTERS), eos_token_id=1))
    writer = writer_of(write_gguf(tmp_path / "model.gguf", model))
    assert writer.tokenizer.decode(writer._tokens("one", EXAMPLES, 1)[0]).startswith("one\nText:")
    numbers = torch.arange(2, len(LETTERS))[None]
    with torch.inference_mode():
        torch.testing.assert_close(writer.model(numbers).logits, model.eval()(numbers).logits)
    assert all(answer.tokens for answer in written(writer))
