"""What the errors of another stage count in a training, and the file that says which they are."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.plan.reweighted_stage import ReweightedStage
from tlbench.store.integrity import unseal, write_sealed
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule

ERRORS_FILE = "errors.json"  # in the folder of a stage

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ErrorWeights:
    """The weights of the train rows of a stage's only task.

    Attributes:
        errors: the numbers of the rows that are errors, ascending.
        weight: how many times as much as another row one counts.
    """

    errors: Ints
    weight: float

    def __call__(self, data: MultiTaskDataModule, rows: TokenizedSplit) -> TokenizedSplit:
        """Return the rows that are trained with their weights."""
        return replace(rows, weights=self.of(rows.used))

    def of(self, used: Ints) -> NDArray[np.float64]:
        """Return the weights of the rows that are trained, (rows,), of which the mean is 1.

        So a learning rate, and a norm that gradients are cut to, mean what they mean without them.
        """
        weights = np.where(np.isin(used, self.errors), self.weight, 1.0)
        return np.asarray(weights / weights.mean())


def write_errors(folder: Path, errors: Ints) -> None:
    """Write which rows are errors; a reader sees the whole file or none."""
    write_sealed(folder / ERRORS_FILE, {"rows": errors.tolist()}, is_plain=True)


def error_weights(run: StageContext) -> ErrorWeights:
    """Return the weights of a stage whose errors are found.

    Raises:
        ValueError: if the file is damaged.
    """
    assert isinstance(run.stage, ReweightedStage)
    rows = unseal(json.loads((run.folder / ERRORS_FILE).read_text("utf-8")))["rows"]
    return ErrorWeights(np.array(rows, np.int64), run.stage.error_weight)
