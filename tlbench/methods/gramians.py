"""What rules that weigh gradients make of their Gramian, the inner products of each with each."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]


def lengths_and_cosines(gramian: "Tensor") -> tuple[Array, Array]:
    """Return how long gradients are, (tasks,), and the Gramian of them at length 1, (tasks, tasks).

    Solvers take well to numbers of one size, which the lengths of gradients need not be.
    """
    products = gramian.numpy()
    lengths = np.sqrt(products.diagonal())
    return lengths, products / np.outer(lengths, lengths)


def square_root(gramian: Array) -> Array:
    """Return R, (tasks, tasks), with R'R the Gramian; also of gradients that are dependent."""
    values, vectors = np.linalg.eigh(gramian)
    root: Array = np.sqrt(values.clip(min=0))[:, None] * vectors.T
    return root
