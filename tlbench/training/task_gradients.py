"""The gradients of several tasks side by side, their inner products, and a weighted sum of them."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

# Elements of a gradient that are taken to float64 at a time: on a CPU what its cache holds.
_ON_CPU, _ON_DEVICE = 2**16, 2**22


class _Rows(NamedTuple):
    """Those rows of a matrix that are not zero: their places, (rows,), and (rows, width)."""

    places: Tensor
    values: Tensor

    def at(self, places: Tensor) -> Tensor:
        """Return the rows of more places, (places, width); all of its own are among them."""
        rows = self.values.new_zeros(len(places), self.values.shape[1])
        return rows.index_copy_(0, torch.searchsorted(places, self.places), self.values)


class TaskGradients:
    """Takes the gradients of an encoder's parameters, one task's after the other.

    Of an embedding the rows of tokens that a batch has are kept, as all others are zero: with small
    encoders most of a gradient.

    Args:
        encoder: of its parameters, those that are trained.
    """

    def __init__(self, encoder: nn.Module) -> None:
        self.parameters = [one for one in encoder.parameters() if one.requires_grad]
        tables = [one.weight for one in encoder.modules() if isinstance(one, nn.Embedding)]
        self._is_table = [any(one is table for table in tables) for one in self.parameters]
        self._by_parameter: list[list[Tensor]] = [[] for _ in self.parameters]
        self._rows: list[list[_Rows]] = [[] for _ in self.parameters]

    def take(self) -> None:
        """Take the gradients of the parameters, which have none from now on, as the next task's."""
        for place, one in enumerate(self.parameters):
            gradient = torch.zeros_like(one) if one.grad is None else one.grad
            one.grad = None
            if self._is_table[place]:
                # Of both in turn: twenty times as fast on a CPU as any other test of a row.
                is_row = (gradient.amax(dim=1) != 0) | (gradient.amin(dim=1) != 0)
                places = is_row.nonzero().squeeze(1)
                self._rows[place].append(_Rows(places, gradient[places]))
            else:
                self._by_parameter[place].append(gradient)

    def gramian(self) -> Tensor:
        """Return the inner products of the tasks' gradients, (tasks, tasks), in float64."""
        return gramian([of_tasks for _, of_tasks in self._aligned])

    def put(self, weights: Sequence[float]) -> None:
        """Give the parameters the weighted sum of the tasks' gradients, (tasks,)."""
        for parameter, (places, of_tasks) in zip(self.parameters, self._aligned, strict=True):
            total = of_tasks[0].mul_(weights[0])
            for other, weight in zip(of_tasks[1:], weights[1:], strict=True):
                total.add_(other, alpha=weight)
            if places is not None:
                total = torch.zeros_like(parameter).index_copy_(0, places, total)
            parameter.grad = total

    @cached_property
    def _aligned(self) -> list[tuple[Tensor | None, list[Tensor]]]:
        """Each parameter's gradients, once all are taken; a table's with the places of the rows."""
        aligned: list[tuple[Tensor | None, list[Tensor]]] = []
        for is_table, whole, rows in zip(
            self._is_table, self._by_parameter, self._rows, strict=True
        ):
            places = torch.unique(torch.cat([one.places for one in rows])) if is_table else None
            of_tasks = whole if places is None else [one.at(places) for one in rows]
            aligned.append((places, of_tasks))
        return aligned


def gramian(gradients: Sequence[Sequence[Tensor]]) -> Tensor:
    """Return the inner products of gradients, (tasks, tasks), in float64.

    Args:
        gradients: of every parameter the gradients of all tasks, in the same order.
    """
    first, count = gradients[0][0], len(gradients[0])
    size = _ON_CPU if first.device.type == "cpu" else _ON_DEVICE
    products = first.new_zeros(count, count, dtype=torch.float64)
    buffer = first.new_empty(count, size, dtype=torch.float64)
    for of_parameter in gradients:
        for pieces in zip(*(torch.split(one.flatten(), size) for one in of_parameter), strict=True):
            rows = buffer[:, : len(pieces[0])]
            for row, piece in zip(rows, pieces, strict=True):
                row.copy_(piece)
            products.addmm_(rows, rows.T)
    return products
