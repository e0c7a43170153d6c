"""Gradient checkpointing, which changes what is kept for the backward and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.encoder_families import save
from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.features import PLAIN, Kernels, features, prepare
from tlbench.models.probe import try_encoder

TINY = Encoder("package:tlbench/assets/tiny", None, False, None, 64)
LENGTHS = [40, 3, 17, 40, 8, 33]
ROWS = (torch.arange(40) < torch.tensor(LENGTHS)[:, None]).long()
KERNELS = {
    "unpadded": Kernels("unpadded", on_cpu=True),
    "first_token": Kernels("first_token", on_cpu=True),
    "fast": Kernels("plain", on_cpu=True),
    "plain": PLAIN,
}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Encoder]:
    """An encoder with dropout: the tiny one, or a small one of a family."""

    def encoder(family: str) -> Encoder:
        if family == "tiny":
            return TINY
        save(family, tmp_path / family, num_hidden_layers=4)
        return replace(TINY, name=str(tmp_path / family))

    return encoder


def step(encoder: Encoder, kernels: Kernels, precision: torch.dtype) -> tuple[dict[str, Any], int]:
    """Return features and gradients of a training step, and the bytes kept for its backward."""
    torch.manual_seed(0)
    model = load_encoder(encoder)
    prepare(model, kernels)
    ids = torch.randint(5, 300, ROWS.shape) * ROWS
    own = {one.data_ptr() for one in model.parameters()}
    kept: dict[int, int] = {}

    def keep(saved: torch.Tensor) -> torch.Tensor:
        if saved.data_ptr() not in own:
            kept[saved.data_ptr()] = saved.untyped_storage().nbytes()
        return saved

    with (
        torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved),
    ):
        computed = features(model, {"input_ids": ids, "attention_mask": ROWS}, kernels)
        in_forward = sum(kept.values())
    weights = torch.randn(computed.shape, generator=torch.Generator().manual_seed(1))
    (computed.float() * weights).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    drawn_next = torch.rand(1)
    return {"features": computed.detach(), "next": drawn_next, **gradients}, in_forward


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["32", "bf16"])
@pytest.mark.parametrize(
    ("family", "kernels"),
    [
        ("tiny", "unpadded"),
        ("tiny", "first_token"),
        ("tiny", "plain"),
        ("roberta", "unpadded"),
        ("roberta", "first_token"),
        ("roberta", "plain"),
        ("xlm-roberta", "unpadded"),
        ("deberta-v2", "fast"),
        ("modernbert", "fast"),
        ("eurobert", "fast"),
        ("distilbert", "plain"),
    ],
)
def test_features_and_gradients_are_the_same_to_the_last_bit_and_less_is_kept(
    make: Callable[[str], Encoder], family: str, kernels: str, precision: torch.dtype
) -> None:
    encoder = make(family)
    usual, kept = step(encoder, KERNELS[kernels], precision)
    again, kept_less = step(
        replace(encoder, gradient_checkpointing=True), KERNELS[kernels], precision
    )
    assert usual.keys() == again.keys()
    assert len(usual) > 10
    for name, value in usual.items():
        assert torch.equal(value, again[name]), name
    assert kept_less < 0.7 * kept


@pytest.mark.parametrize("family", ["tiny", "roberta", "deberta-v2", "modernbert", "eurobert"])
def test_the_probe_tries_it_with_the_kernels_that_are_used_without(
    make: Callable[[str], Encoder], family: str
) -> None:
    encoder = make(family)
    kernels = list(KERNELS.values())
    chosen = try_encoder(replace(encoder, gradient_checkpointing=True), kernels)
    assert chosen == try_encoder(encoder, kernels)


def test_a_frozen_encoder_keeps_nothing_of_it(make: Callable[[str], Encoder]) -> None:
    model = load_encoder(replace(TINY, gradient_checkpointing=True)).requires_grad_(False)
    assert not model(ROWS, ROWS).last_hidden_state.requires_grad


@pytest.mark.parametrize("family", ["albert", "mpnet"])
def test_a_family_without_is_refused(make: Callable[[str], Encoder], family: str) -> None:
    message = r"^Change encoder\.gradient_checkpointing to false: '.*' \(.*\) has no layers that"
    with pytest.raises(UserError, match=message):
        try_encoder(replace(make(family), gradient_checkpointing=True), [PLAIN])
