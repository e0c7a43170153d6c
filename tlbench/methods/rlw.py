"""Random loss weighting."""

from typing import TYPE_CHECKING

import numpy as np

from tlbench.methods.weighting import LossWeighting

if TYPE_CHECKING:
    from torch import Tensor


class RLW(LossWeighting):
    """Weights drawn anew in each step, the softmax of normal numbers (Lin et al. 2022).

    The baseline that a method for weighing losses should beat.
    """

    def weights(self, seed: int, step: int) -> "Tensor":
        import torch

        drawn = np.random.default_rng([seed, step]).normal(size=len(self.tasks))
        return torch.softmax(torch.from_numpy(drawn), dim=0).float()
