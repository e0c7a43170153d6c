"""How the gradient of a batch is made: of all tasks' rows at once, or task by task."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from tlbench.data.batch import Batch
from tlbench.methods.gradients import GradientMethod
from tlbench.training.cosines import TaskCosines

if TYPE_CHECKING:
    from tlbench.training.module import MultiTaskModule

Losses = tuple[Tensor, list[Tensor]]
# Elements of a gradient that are taken to float64 at a time: on a CPU what its cache holds.
_ON_CPU, _ON_DEVICE = 2**14, 2**22


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
        encoder = [one for one in module.model.encoder.parameters() if one.requires_grad]
        total, gradients = torch.zeros((), device=module.device), {}
        losses: list[Tensor] = [batch.weights[:0]] * len(batch.counts)
        for task, rows in batch.by_task():
            loss, by_task = self.gradient(rows)
            total += loss
            losses[task] = by_task[task]
            gradients[task] = _moved_out(encoder)
        if encoder:
            # Autocast would compute it in 16 bits.
            with torch.autocast(module.device.type, enabled=False):
                self._put(encoder, gradients)
        return total, losses

    def _put(self, encoder: Sequence[nn.Parameter], gradients: dict[int, list[Tensor]]) -> None:
        """Give the encoder the weighted sum of the tasks' gradients."""
        products = gramian(list(gradients.values())).cpu()
        weights = [1.0] * len(gradients)
        if self.method is not None:
            module = self.module
            found = self.method.weights(products, module.config.seed, module.global_step)
            weights = found.tolist()
        self.cosines.latest = products, tuple(gradients), weights
        for parameter, *of_tasks in zip(encoder, *gradients.values(), strict=True):
            parameter.grad = of_tasks[0].mul_(weights[0])
            for other, weight in zip(of_tasks[1:], weights[1:], strict=True):
                parameter.grad.add_(other, alpha=weight)


def _moved_out(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Return the gradients of parameters, which have none from now on; zeros for those without."""
    gradients = []
    for one in parameters:
        gradients.append(torch.zeros_like(one) if one.grad is None else one.grad)
        one.grad = None
    return gradients


def gramian(gradients: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the inner products of gradients, (tasks, tasks), in float64.

    Args:
        gradients: of every task the gradients of all parameters, in the same order.
    """
    device = gradients[0][0].device
    size = _ON_CPU if device.type == "cpu" else _ON_DEVICE
    products = torch.zeros(len(gradients), len(gradients), dtype=torch.float64, device=device)
    for of_parameter in zip(*gradients, strict=True):
        for pieces in zip(*(one.flatten().split(size) for one in of_parameter), strict=True):
            rows = torch.stack([piece.double() for piece in pieces])
            products += rows @ rows.T
    return products
