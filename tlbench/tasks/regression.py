"""Tasks whose rows each have a number."""

import math
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.errors import UserError
from tlbench.tasks.base import Metric, TaskKind, ToLabel

if TYPE_CHECKING:
    from torch import Tensor

_ROUNDING = 2.0**-20  # of the largest number: the last of the 24 bits of float32


def _pearson(predictions: "Tensor", labels: "Tensor", outputs: int = 1) -> "Tensor":
    from torchmetrics.functional import pearson_corrcoef

    return pearson_corrcoef(_scaled(predictions.double()), _scaled(labels.double()))


def _scaled(values: "Tensor") -> "Tensor":
    """Return values shifted and scaled to at most 1, so that no square is 0 or infinite."""
    shifted = values - values[0]
    return shifted / shifted.abs().max()


def _spearman(predictions: "Tensor", labels: "Tensor", outputs: int = 1) -> "Tensor":
    import torch
    from scipy.stats import rankdata

    # torchmetrics' own counts ranks in 32 bits, which many equal predictions overflow.
    predicted, true = (torch.from_numpy(rankdata(v.double())) for v in (predictions, labels))
    return _pearson(predicted, true)


def _mse(predictions: "Tensor", labels: "Tensor", outputs: int = 1) -> "Tensor":
    from torchmetrics.functional import mean_squared_error

    return mean_squared_error(predictions.double(), labels.double())


class Regression(TaskKind):
    """A finite number for each row; losses are squared errors."""

    metrics: ClassVar[Mapping[str, Metric]] = {
        "pearson": Metric(_pearson, is_correlation=True),
        "spearman": Metric(_spearman, is_correlation=True),
        "mse": Metric(_mse, less_is_better=True),
    }

    def check(self) -> None:
        super().check()
        if self.task.labels is not None:
            raise UserError(
                f"Change labels of task '{self.task.name}' to null: a regression has no classes."
            )

    @property
    def outputs(self) -> int:
        return 1

    def labeller(self) -> ToLabel:
        def to_number(raw: Any, where: str) -> float:
            try:
                number = math.nan if isinstance(raw, bool) else float(raw)
            except (TypeError, ValueError, OverflowError):
                number = math.nan
            if not math.isfinite(number):
                raise UserError(
                    f"Change source.label of task '{self.task.name}': {where} has "
                    f"{reprlib.repr(str(raw))} where a regression needs a number."
                )
            return number

        return to_number

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        from torch.nn.functional import mse_loss

        return mse_loss(logits.float()[:, 0], labels.float(), reduction="none")

    def predict(self, logits: "Tensor") -> "Tensor":
        """Return numbers in float64; those that differ by rounding alone become one number.

        A model that says the same of all rows gives the rows of another batch another last digit,
        which a correlation would rank.
        """
        import torch

        numbers = logits[:, 0].double()
        differ = numbers.max() - numbers.min() > _ROUNDING * numbers.abs().max()
        return torch.where(differ, numbers, numbers[0])

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the mean."""
        return labels.double().mean()
