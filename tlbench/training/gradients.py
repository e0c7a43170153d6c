"""How the gradient of a batch is made: of all tasks' rows at once, or task by task."""

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from tlbench.data.batch import Batch
from tlbench.methods.gradients import GradientMethod
from tlbench.training.cosines import TaskCosines
from tlbench.training.task_gradients import TaskGradients

if TYPE_CHECKING:
    from tlbench.training.module import MultiTaskModule

Losses = tuple[Tensor, list[Tensor]]


class Gradient(Protocol):
    """Adds a batch's gradient to ``.grad`` of the module's parameters."""

    def __call__(self, batch: Batch) -> Losses:
        """Return the batch's loss, a scalar, and its rows' losses by task, each (rows,)."""


class JointGradient:
    """That of the rows' weighted losses, from one forward of all of them (or a micro-batch)."""

    def __init__(self, module: "MultiTaskModule") -> None:
        self.module = module

    def __call__(self, batch: Batch) -> Losses:
        module = self.module
        total, losses = torch.zeros((), device=module.device), []
        for micro in batch.micro_batches(module.training_forwards.rows):
            by_task = module.model.losses(micro)
            loss = micro.weighted(by_task)
            module.manual_backward(loss)
            total += loss.detach()
            losses.append([of_task.detach() for of_task in by_task])
        return total, [torch.cat(of_task) for of_task in zip(*losses, strict=True)]


class GradientByTask:
    """The encoder's is a weighted sum of the tasks' gradients, the heads' is that of their task.

    A forward for each task's rows costs little more than one of all, as rows are computed each for
    itself; a backward for each task through one forward would cost as many times as much.

    Args:
        gradient: of the rows of one task.
        method: says what each task's gradient counts; None: 1.
        cosines: is told of every gradient.
    """

    def __init__(
        self,
        module: "MultiTaskModule",
        gradient: Gradient,
        method: GradientMethod | None,
        cosines: TaskCosines,
    ) -> None:
        self.module = module
        self.gradient = gradient
        self.method = method
        self.cosines = cosines

    def __call__(self, batch: Batch) -> Losses:
        module = self.module
        gradients, present = TaskGradients(module.model.encoder), []
        total = torch.zeros((), device=module.device)
        losses: list[Tensor] = [batch.weights[:0]] * len(batch.counts)
        for task, rows in batch.by_task():
            loss, by_task = self.gradient(rows)
            total += loss
            losses[task] = by_task[task]
            gradients.take()
            present.append(task)
        if gradients.parameters:
            # Autocast would compute it in 16 bits.
            with torch.autocast(module.device.type, enabled=False):
                self._put(gradients, present)
        return total, losses

    def _put(self, gradients: TaskGradients, present: list[int]) -> None:
        """Give the encoder the weighted sum of the gradients of the tasks that are present."""
        products = gradients.gramian().cpu()
        weights = [1.0] * len(present)
        if self.method is not None:
            module = self.module
            found = self.method.weights(products, module.config.seed, module.global_step)
            weights = found.tolist()
        self.cosines.latest = products, tuple(present), weights
        gradients.put(weights)
