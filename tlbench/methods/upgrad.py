"""UPGrad: each task's gradient is projected to where no task loses, then they are averaged."""

from typing import TYPE_CHECKING

import numpy as np

from tlbench.methods.gramians import lengths_and_cosines, square_root

if TYPE_CHECKING:
    from torch import Tensor


class UPGrad:
    """The mean of the gradients' projections onto the cone without conflict (Quinton, Rey 2024).

    No task's loss grows along it. A projection is a least-squares problem of weights that may only
    grow. TorchJD's weighting of that name needs a solver of its own, and a regularisation.
    """

    def __call__(self, gramian: "Tensor") -> "Tensor":
        import torch
        from scipy.optimize import nnls

        lengths, cosines = lengths_and_cosines(gramian)
        root = square_root(cosines)
        of_units = np.eye(len(root)) + [nnls(root, -column)[0] for column in root.T]
        return torch.from_numpy(lengths @ of_units / lengths / len(root))
