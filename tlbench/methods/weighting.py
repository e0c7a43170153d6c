"""Methods that weigh the tasks' losses by what they were in the steps before."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tlbench.methods.sum import Sum

if TYPE_CHECKING:
    from torch import Tensor


class LossWeighting(Sum):
    """The loss of a batch is a weighted sum of the tasks' mean losses; encoder and heads follow it.

    What it remembers is in ``state_dict``, which a checkpoint holds, so that an interrupted stage
    goes on as one that was not.
    """

    @abstractmethod
    def weights(self, seed: int, step: int) -> "Tensor":
        """Return what each task's loss counts in a step, (tasks,).

        Args:
            seed, step: what is drawn at random follows from them alone.
        """

    def after_step(self, losses: "Tensor", present: "Tensor") -> None:
        """Take in the mean loss of every task in a batch, on all devices.

        Args:
            losses: (tasks,), on the device that trains; 0 for a task without rows.
            present: which tasks had rows, (tasks,).
        """

    def after_epoch(self) -> None:
        """Take note that an epoch has ended."""

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers: tensors, numbers, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
