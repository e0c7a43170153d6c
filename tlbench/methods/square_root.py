"""A matrix whose columns lie to each other as the gradients do."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def square_root(gramian: Matrix) -> Matrix:
    """Return R, (tasks, tasks), with R'R the Gramian; also of gradients that are dependent."""
    values, vectors = np.linalg.eigh(gramian)
    root: Matrix = np.sqrt(values.clip(min=0))[:, None] * vectors.T
    return root
