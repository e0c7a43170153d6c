"""What a method is: it turns the losses of a mixed batch's rows into a gradient."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tlbench.config.dotted import imported_class, made_by
from tlbench.config.schema import Config

if TYPE_CHECKING:
    from torch import Tensor


class Method(ABC):
    """A method that weighs the rows of a batch: the gradient is that of their weighted losses.

    The weights must not depend on a loss of the batch, so that a micro-batch can go backward before
    the next one goes forward. Imports torch inside functions, for planning makes a method too.
    Two kinds know more: ``LossWeighting``, of the steps before, and ``GradientMethod``, of the
    tasks' gradients.

    Args:
        tasks: the names of the tasks that a stage mixes, in the order of their rows in a batch.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)

    @abstractmethod
    def row_weights(self, counts: Sequence[int]) -> "Tensor":
        """Return what each row's loss counts in the loss of a batch, (rows,).

        Args:
            counts: how many rows each task has in the batch, (tasks,); 0 for none.
        """

    def check(self, config: Config) -> None:  # noqa: B027 - most go with any config
        """Refuse a stage's config that the method does not go with.

        Raises:
            UserError: naming the key to change.
        """


def without_names(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a method does, whatever it is called: its ``_target_`` and its options."""
    return {name: value for name, value in config.items() if name not in ("name", "label")}


def make_method(config: dict[str, Any], tasks: Sequence[str]) -> Method:
    """Make the method of the config group ``method`` for a stage's tasks.

    Raises:
        UserError: if there is no such class, or it can't be made with these options.
    """
    target = str(config.get("_target_"))
    make = imported_class(target, Method, "method._target_")
    options = {name: value for name, value in without_names(config).items() if name != "_target_"}
    method: Method = made_by(make, target, "method", tasks, **options)
    return method
