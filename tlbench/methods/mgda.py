"""MGDA: the shortest convex combination of the tasks' gradients."""

from typing import TYPE_CHECKING

import numpy as np

from tlbench.methods.gramians import lengths_and_cosines, square_root

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

        lengths, cosines = lengths_and_cosines(gramian)
        system = np.vstack([square_root(cosines), lengths.min() / lengths])
        of_units, _ = nnls(system, np.append(np.zeros(len(lengths)), 1.0))
        weights = of_units / lengths
        return torch.from_numpy(weights / weights.sum())
