"""The optimizer of a stage and the schedule of its learning rate."""

import math
from collections.abc import Iterable
from operator import attrgetter

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from transformers import get_scheduler

from tlbench.config.dotted import imported_class, made_by
from tlbench.config.schema import Optim
from tlbench.errors import UserError

_OWN = ("linear", "cosine", "constant")


class StartWeights:
    """The gradient of strength / 2 times the squared distance from the start (Li et al. 2018).

    L2-SP, for the weights that a stage starts with in place of zero. Made before a checkpoint of
    the stage is loaded, whose weights are others.

    Args:
        encoder: what is pulled; heads are new.
        strength: None for no pull.
    """

    def __init__(self, encoder: torch.nn.Module, strength: float | None) -> None:
        self.strength = strength
        self._pairs = [
            (parameter, parameter.detach().clone())
            for parameter in (encoder.parameters() if strength else ())
            if parameter.requires_grad
        ]

    @torch.no_grad()
    def pull(self) -> None:
        """Add it to the gradients."""
        for at, (parameter, start) in enumerate(self._pairs):
            if start.device != parameter.device:
                start = start.to(parameter.device)
                self._pairs[at] = parameter, start
            if parameter.grad is not None:
                parameter.grad.add_(parameter - start, alpha=self.strength or 0.0)


def make_optimizer(optim: Optim, parameters: Iterable[torch.nn.Parameter]) -> Optimizer:
    """Make the optimizer of the config group ``optim``.

    Args:
        optim: the group.
        parameters: of a model; those that are frozen are left out, so that no decay moves them.

    Raises:
        UserError: if it can't be made.
    """
    vectors: list[torch.nn.Parameter] = []
    matrices: list[torch.nn.Parameter] = []
    for parameter in filter(attrgetter("requires_grad"), parameters):
        (vectors if parameter.ndim < 2 else matrices).append(parameter)
    groups = [
        {"params": matrices, "weight_decay": optim.weight_decay},
        # Biases and normalisation weights are vectors; a decay would only shift them.
        {"params": vectors, "weight_decay": 0.0},
    ]
    options = {k: v for k, v in optim.optimizer.items() if k != "_target_"}
    target = str(optim.optimizer.get("_target_"))
    make = imported_class(target, Optimizer, "optim.optimizer._target_")
    optimizer: Optimizer = made_by(make, target, "optim.optimizer", groups, lr=optim.lr, **options)
    return optimizer


def make_schedule(optim: Optim, optimizer: Optimizer, steps: int) -> LRScheduler:
    """Make the schedule of the learning rate: a warm-up, then what ``optim.schedule`` says.

    Args:
        steps: of the optimizer, in all.

    Raises:
        UserError: if the schedule takes no such options.
    """
    warmup = round(optim.warmup * steps)
    options = dict(optim.schedule_options)
    try:
        if optim.schedule in _OWN:
            if options:
                raise TypeError(f"{optim.schedule} takes no options")
            return LambdaLR(optimizer, lambda step: _rate(optim.schedule, step, warmup, steps))
        if optim.schedule == "warmup_stable_decay":  # which has no stable part but by a number
            options = {"num_decay_steps": max(1, (steps - warmup) // 10)} | options
        made: LRScheduler = get_scheduler(optim.schedule, optimizer, warmup, steps, options)
        return made
    except (TypeError, ValueError) as error:
        raise UserError(f"Change optim.schedule_options: {error}.") from error


def _rate(schedule: str, step: int, warmup: int, steps: int) -> float:
    """Return the learning rate at a step, as a fraction of ``optim.lr``."""
    if step < warmup:
        return step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return {
        "linear": max(0.0, 1 - done),
        "cosine": 0.5 * (1 + math.cos(math.pi * min(1.0, done))),
        "constant": 1.0,
    }[schedule]
