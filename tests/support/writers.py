"""A language model of two layers with random weights, which writes words in any order."""

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
WORDS += ["red", "blue", "green", "white", "black", "grey"]
CHAT = (
    "{% for m in messages %}<{{ m.role }}> {{ m.content }} </s> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def write_model(folder: Path, fields: tuple[str, ...] = (), chat: bool = True) -> Path:
    """Write the files of a model whose answers are words, ends of lines and ``fields``.

    Args:
        folder: to write them into.
        fields: what else it may write, as ``2:``, without which no answer has two texts.
        chat: whether it has a chat template.
    """
    words = ["<unk>", "</s>", "\n", *WORDS, *fields]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "<unk>"))
    # A line's end is a word of its own.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n"), "isolated"),
            pre_tokenizers.Split(Regex(" +"), "removed"),
        ]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")
    fast.chat_template = CHAT if chat else None
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def overrides(folder: Path, train: int = 12, dev: int = 6) -> list[str]:
    """Write a model; return the overrides that have it write rows for sst2, of one text."""
    sizes = [f"support_task.source.train={train}", f"support_task.source.dev={dev}"]
    model = f"synthesis.model={write_model(folder)}"
    return [
        "target_task=sst2",
        "support_task=synthesised",
        model,
        "subsample_size.support=null",
        *sizes,
    ]
