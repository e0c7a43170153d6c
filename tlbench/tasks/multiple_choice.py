"""Tasks whose rows are a context and several choices, one of which is right: COPA, SWAG."""

from collections.abc import Mapping
from typing import ClassVar

from tlbench.errors import UserError
from tlbench.tasks.base import Metric
from tlbench.tasks.class_metrics import CLASS_METRICS
from tlbench.tasks.classification import Classification


class MultipleChoice(Classification):
    """Which of a row's choices is right; ``labels`` name their places, as many in every row.

    Each choice is a sequence of tokens after the row's context, and a head gives one number for
    it (Radford et al. 2018, section 3.3). The softmax is over the choices of a row, and so is
    the loss, the cross-entropy: log k of logits of 0, as that of a classification in k.

    A place has no meaning of its own, so there are no metrics of places, nor weights of them.
    """

    own_keys: ClassVar[tuple[str, ...]] = ("source.choices",)
    shared_head: ClassVar[str] = "choices"
    metrics: ClassVar[Mapping[str, Metric]] = {
        name: CLASS_METRICS[name] for name in ("accuracy", "log_loss", "calibration_error")
    }

    @property
    def sequences(self) -> int:  # type: ignore[override]
        """One for each choice."""
        return self.outputs

    def check(self) -> None:
        where = f"of task '{self.task.name}'"
        if self.outputs < 2:
            raise UserError(f"Change labels {where}: name the places of two or more choices.")
        super().check()
        source = self.task.source
        if source.choices is None and source.format != "generated":
            raise UserError(
                f"Set source.choices {where} to a column for each choice, or to one of lists."
            )
        columns = source.choices or [""]
        if len(columns) not in (1, self.outputs) or len({*columns}) < len(columns):
            raise UserError(
                f"Change source.choices {where}: name a different column for each of its "
                f"{self.outputs} labels, or one column that holds a list."
            )
