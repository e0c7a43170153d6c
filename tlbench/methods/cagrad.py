"""CAGrad: near the mean gradient, the direction that is best for the task that gains least."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CAGrad:
    """The conflict-averse direction (Liu et al. 2021, equation 3), as scipy's SLSQP solves it.

    Args:
        c: how far from the mean gradient, a fraction of its length; 0 is the mean.
    """

    c: float = 0.5

    def __call__(self, gramian: "Tensor") -> "Tensor":
        import torch
        from scipy.optimize import minimize

        scale = gramian.numpy().diagonal().mean()  # so that tolerances hold for every length
        g, count = gramian.numpy() / scale, len(gramian)
        mean = np.full(count, 1 / count)
        reach = self.c * float(np.sqrt(mean @ g @ mean))

        def objective(w: np.ndarray) -> float:
            return float(w @ g @ mean + reach * np.sqrt(w @ g @ w + 1e-16))

        def slope(w: np.ndarray) -> np.ndarray:
            return np.asarray(g @ mean + reach * (g @ w) / np.sqrt(w @ g @ w + 1e-16))

        solved = minimize(
            objective,
            mean,
            jac=slope,
            bounds=[(0, 1)] * count,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
        length = float(np.sqrt(solved.x @ g @ solved.x))
        return torch.from_numpy(mean + (reach / length if length else 0.0) * solved.x)
