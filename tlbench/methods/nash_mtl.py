"""Nash-MTL: the tasks bargain for the direction of a step."""

from typing import TYPE_CHECKING

import numpy as np

from tlbench.methods.gramians import Array, lengths_and_cosines

if TYPE_CHECKING:
    from torch import Tensor

_STEPS, _TOLERANCE = 100, 1e-12
_RIDGE = 1e-10  # of cosines; opposite gradients would have no weights that are finite


class NashMTL:
    """The Nash bargaining solution (Navon et al. 2022): weights a > 0 with G a = 1 / a.

    The same as the least of a'Ga / 2 - sum(log a), which is strictly convex: damped Newton finds
    it. The published solver stops before it where the lengths of gradients differ. The direction
    does not change if a task's loss is scaled; its squared length is the number of tasks.
    """

    def __call__(self, gramian: "Tensor") -> "Tensor":
        import torch

        lengths, cosines = lengths_and_cosines(gramian)
        return torch.from_numpy(_bargain(cosines + _RIDGE * np.eye(len(cosines))) / lengths)


def _bargain(gramian: Array) -> Array:
    weights = np.full(len(gramian), len(gramian) ** -0.5)
    for _ in range(_STEPS):
        slope = gramian @ weights - 1 / weights
        step = np.linalg.solve(gramian + np.diag(weights**-2.0), slope)
        # Newton's decrement in the norm of the barrier: below 1 the step stays where a > 0.
        decrement = float(np.sqrt(slope @ step))
        weights = weights - step / (1 + decrement if decrement > 0.25 else 1)
        if decrement < _TOLERANCE:
            break
    return weights
