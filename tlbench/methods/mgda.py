"""MGDA: the shortest convex combination of the tasks' gradients."""

from typing import TYPE_CHECKING

import numpy as np

from tlbench.methods.square_root import square_root

if TYPE_CHECKING:
    from torch import Tensor


class MGDA:
    """The point of the gradients' convex hull that is nearest to zero (Desideri 2012).

    Exact: the nearest point without the sum's constraint but with a penalty on it, which is a
    least-squares problem of weights >= 0, has the same direction. An iteration of Frank and Wolfe,
    as in Sener and Koltun (2018), stops near it.
    """

    def __call__(self, gramian: "Tensor") -> "Tensor":
        import torch
        from scipy.optimize import nnls

        lengths = np.sqrt(gramian.numpy().diagonal())
        root = square_root(gramian.numpy() / np.outer(lengths, lengths))
        # Of unit gradients, as solvers take well to columns of one length.
        system = np.vstack([root, lengths.min() / lengths])
        of_units, _ = nnls(system, np.append(np.zeros(len(root)), 1.0))
        weights = of_units / lengths
        return torch.from_numpy(weights / weights.sum())
