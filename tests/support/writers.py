"""A language model of two layers with random weights, which writes words in any order."""

from pathlib import Path

import gguf
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
WORDS += ["red", "blue", "green", "white", "black", "grey"]
CHARACTERS = [*"abcdefghijklmnopqrstuvwxyzT:", "Ċ", "Ġ", "on"]  # as GPT-2 spells bytes
LETTERS = ["<unk>", "</s>", *CHARACTERS]
CHAT = (
    "{% for m in messages %}<{{ m.role }}> {{ m.content }} </s> {% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


def write_model(
    folder: Path,
    fields: tuple[str, ...] = (),
    chat: bool = True,
    config: PretrainedConfig | None = None,
) -> Path:
    """Write the files of a model whose answers are words, ends of lines and ``fields``.

    Args:
        folder: to write them into.
        fields: what else it may write, as ``2:``, without which no answer has two texts.
        chat: whether it has a chat template.
        config: of another architecture than Llama's; it is given the words.
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
    config = config or LlamaConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=4096,
    )
    config.vocab_size, config.bos_token_id, config.eos_token_id = len(words), None, 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def write_gguf(file: Path, model: LlamaForCausalLM) -> Path:
    """Write a model of ``LETTERS`` as a GGUF file, in the layout that llama.cpp's converter has."""
    config, writer = model.config, gguf.GGUFWriter(file, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(LETTERS)
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * len(CHARACTERS))
    writer.add_token_merges(["o n"])
    writer.add_eos_token_id(1)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, weights in model.state_dict().items():
        for part, count in heads.items():
            if part in name:  # the two halves of a rotated pair stand beside each other
                weights = weights.view(count, 2, -1, weights.shape[1]).transpose(1, 2)
                weights = weights.reshape(-1, weights.shape[-1])
        writer.add_tensor(names.get_name(name, (".weight",)), weights.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


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
