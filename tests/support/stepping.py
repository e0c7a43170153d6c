"""A module that makes gradients and is not trained: real model, real method, no trainer."""

from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor

from tests.support.composing import compose_config
from tlbench.config.schema import Config, Encoder, Source, Task
from tlbench.config.validation import parse_config
from tlbench.data.batch import Batch
from tlbench.methods.sum import Sum
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.training.balance import Balance

TASKS = [
    Task(name, labels, ["accuracy"], ["accuracy"], Source("generated"))
    for name, labels in [("a", ["x", "y"]), ("b", ["p", "q", "r"]), ("c", None), ("d", ["n", "m"])]
]
COUNTS = (3, 4, 2, 0)


class Stepper:
    """Stands for the LightningModule; ``balance`` is what its config asks for.

    Args:
        heads: ``per_task`` or ``per_label_count``.
        micro: rows of a forward.
    """

    def __init__(self, *overrides: str, heads: str = "per_task", micro: int | None = None) -> None:
        self.config: Config = parse_config(compose_config("suite=generated", *overrides))
        torch.manual_seed(0)
        encoder = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
        self.model = MultiTaskModel(encoder, TASKS, heads).eval()
        self.training_forwards = SimpleNamespace(rows=micro)
        self.device = torch.device("cpu")
        self.global_step = 0
        reduce = SimpleNamespace(reduce=lambda tensor, reduce_op: tensor)
        self.trainer = SimpleNamespace(strategy=reduce)
        self.balance = Balance(cast(Any, self))

    def manual_backward(self, loss: Tensor) -> None:
        loss.backward()

    def parameters(self) -> Any:
        return self.model.parameters()

    def gradient(self, batch: Batch) -> dict[str, Tensor]:
        """Return the gradient of every parameter that has one, by name."""
        self.model.zero_grad()
        self.loss, self.losses = self.balance.backward(batch)
        return {
            name: one.grad.clone()
            for name, one in self.model.named_parameters()
            if one.grad is not None
        }


def batch(counts: tuple[int, ...] = COUNTS) -> Batch:
    """Return random rows of the tasks; those of each are padded beyond its own longest."""
    generator = torch.Generator().manual_seed(1)
    tokens = (5, 7, 6, 8)
    ids = torch.randint(5, 300, (sum(counts), max(tokens)), generator=generator)
    lengths = torch.tensor(tokens).repeat_interleave(torch.tensor(counts))
    labels = torch.tensor([0, 1, 1, 0, 1, 2, 2, 3.5, 0.5])[: sum(counts)]
    mask = (torch.arange(max(tokens)) < lengths[:, None]).long()
    return Batch(
        {"input_ids": ids * mask, "attention_mask": mask},
        labels.view(torch.int32).split(counts),
        counts,
        Sum([]).row_weights(counts),
        torch.arange(sum(counts)),
        sum(counts),
        tokens,
    )
