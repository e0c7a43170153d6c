"""Sizes read from config.json are those of the encoder that transformers builds of it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.encoder_families import save
from tlbench.config.schema import Encoder
from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels, features, prepare
from tlbench.plan.encoder_shape import shape, shape_of

DEBERTA = {
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "type_vocab_size": 0,
}
FAMILIES = (
    "bert",
    "roberta",
    "camembert",
    "xlm-roberta",
    "distilbert",
    "deberta-v2",
    "modernbert",
    "eurobert",
)


def small(folder: Path, family: str, **config: Any) -> Encoder:
    save(family, folder, **(DEBERTA if family == "deberta-v2" else {}), **config)
    return Encoder(str(folder), None, False, None, 64)


@pytest.mark.parametrize("layers", [None, 1])
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_counted_exactly(tmp_path: Path, family: str, layers: int | None) -> None:
    encoder = small(tmp_path, family)
    encoder.num_hidden_layers = layers
    known = shape_of(encoder)
    assert known is not None
    assert known.parameters == sum(one.numel() for one in load_encoder(encoder).parameters())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_keeps_what_autograd_saves_of_it(
    tmp_path: Path, family: str, precision: torch.dtype
) -> None:
    rows, tokens = 6, 40
    difference = kept(tmp_path / "3", family, 3, rows, tokens, precision) - kept(
        tmp_path / "2", family, 2, rows, tokens, precision
    )
    known = shape_of(Encoder(str(tmp_path / "2"), None, False, None, 64))
    assert known is not None
    number, of_layer = (4, known.in_32) if precision == torch.float32 else (2, known.in_16)
    linear = of_layer.token * known.hidden + of_layer.inner * known.intermediate + 16
    scores = of_layer.scores if known.drops_scores else 0
    expected = rows * tokens * linear + rows * known.heads * tokens**2 * scores
    if known.relative:
        both = 2 * rows * known.relative * (known.heads * tokens + known.hidden)
        expected += both * number + 8 * known.relative * known.hidden + 17 * tokens**2
    assert difference == pytest.approx(expected, rel=0.03)


def kept(
    folder: Path, family: str, layers: int, rows: int, tokens: int, precision: torch.dtype
) -> int:
    """Return the bytes that a forward saves for the backward, weights and their copies aside."""
    model = load_encoder(small(folder, family, num_hidden_layers=layers))
    kernels = Kernels("plain", on_cpu=True)
    prepare(model, kernels)
    weights = {one.data_ptr() for one in model.parameters()}
    shapes = {tuple(one.shape) for one in model.parameters() if one.ndim == 2}
    shapes |= {shape[::-1] for shape in shapes}
    storages: dict[int, int] = {}
    alive = []

    def keep(saved: torch.Tensor) -> torch.Tensor:
        is_copy = saved.dtype == torch.bfloat16 and tuple(saved.shape) in shapes
        if saved.data_ptr() not in weights and not is_copy:
            storages[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes()
            alive.append(saved)
        return saved

    ids = torch.randint(5, 300, (rows, tokens))
    mixed = torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32)
    with mixed, torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        features(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, kernels)
    return sum(storages.values())


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "funnel"},
        {"model_type": "bert"},
        {},
        {"model_type": "deberta-v2", "relative_attention": False},
    ],
)
def test_of_others_nothing_is_known(config: dict[str, Any]) -> None:
    assert shape(config) is None


def test_a_hub_name_without_a_commit_is_not_asked_for(tmp_path: Path) -> None:
    assert shape_of(Encoder("org/nowhere", None, True, None, 64)) is None
    assert shape_of(Encoder("package:nowhere/at_all", None, True, None, 64)) is None
