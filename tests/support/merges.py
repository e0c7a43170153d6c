"""Small encoders to merge."""

from collections.abc import Sequence

import torch
from torch import nn

from tlbench.plan.merge_rule import MergedModel, Weights


def models_of(vectors: Sequence[Sequence[float]]) -> list[MergedModel]:
    """Models of one vector each, which no forward is made of."""
    return [
        MergedModel(f"task{place}", {"weight": torch.tensor(vector)}, nn.Identity(), iter)
        for place, vector in enumerate(vectors)
    ]


def started_at(vector: Sequence[float]) -> Weights:
    return {"weight": torch.tensor(vector)}


def random_models(count: int, seed: int) -> tuple[list[MergedModel], Weights]:
    """Models of two tensors each, and the weights that they began with."""
    generator = torch.Generator().manual_seed(seed)

    def weights() -> Weights:
        shapes = {"dense.weight": (7, 5), "dense.bias": (7,)}
        return {n: torch.randn(shape, generator=generator) for n, shape in shapes.items()}

    start = weights()
    moved = [{n: start[n] + 0.1 * w for n, w in weights().items()} for _ in range(count)]
    models = [MergedModel(f"task{i}", one, nn.Identity(), iter) for i, one in enumerate(moved)]
    return models, start


def equal(one: Weights, other: Weights) -> bool:
    """Whether all weights are the same bit for bit."""
    return one.keys() == other.keys() and all(one[n].equal(other[n]) for n in one)
