"""The labels that a teacher gives rows without any, which of them are taken, and their file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import concatenate_datasets
from numpy.typing import NDArray

from tlbench.data.groups import IN_GROUP
from tlbench.data.sources import splits
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.store.integrity import unseal, write_sealed
from tlbench.training.datamodule import MultiTaskDataModule

PSEUDO_LABELS_FILE = "pseudo_labels.json"  # in the folder of a stage
_LABEL = "label"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def taken(probabilities: Floats, threshold: float, balance: bool) -> Ints:
    """Return which rows are taken, ascending: those of which a teacher is sure enough.

    Args:
        probabilities: of classes, (rows, classes).
        threshold: the least that a row's likeliest class has.
        balance: take of every class as many rows as of that with fewest, the likeliest first; none
            at all if a class has none.
    """
    likeliest, classes = probabilities.max(axis=1), probabilities.argmax(axis=1)
    rows = np.flatnonzero(likeliest >= threshold)
    if balance:
        count = probabilities.shape[1]
        fewest = np.bincount(classes[rows], minlength=count).min()
        surest = rows[np.argsort(-likeliest[rows], kind="stable")]
        of_classes = [surest[classes[surest] == one][:fewest] for one in range(count)]
        rows = np.sort(np.concatenate(of_classes))
    return rows


@dataclass(frozen=True)
class PseudoLabels:
    """Rows that are taken.

    Attributes:
        rows: their numbers among those of the split without labels, ascending.
        labels: the class of each.
    """

    rows: Ints
    labels: Ints

    def write(self, folder: Path) -> None:
        """Write them into a stage's folder; a reader sees the whole file or none."""
        content = {"rows": self.rows.tolist(), "labels": self.labels.tolist()}
        write_sealed(folder / PSEUDO_LABELS_FILE, content, is_plain=True)

    @classmethod
    def read(cls, folder: Path) -> "PseudoLabels":
        """Return those of a stage's folder.

        Raises:
            ValueError: if the file is damaged.
        """
        content = unseal(json.loads((folder / PSEUDO_LABELS_FILE).read_text("utf-8")))
        return cls(*(np.array(content[name], np.int64) for name in ("rows", "labels")))

    def __call__(self, data: MultiTaskDataModule, rows: TokenizedSplit) -> TokenizedSplit:
        """Return the rows of the only task, and behind them those that are taken."""
        if not len(self.rows):
            return rows
        more = unlabelled_rows(data)
        labels = np.zeros(len(more.tokens))
        labels[self.rows] = self.labels
        more = with_labels(more, labels)
        names = [name for name in more.tokens.column_names if name != IN_GROUP]
        both = [of.tokens.select_columns(names) for of in (rows, more)]
        used = np.concatenate([rows.used, len(rows.tokens) + self.rows])
        return replace(rows, tokens=concatenate_datasets(both), used=used)

    def counts(self, names: Sequence[str], truth: Floats) -> dict[str, Any]:
        """Return how many rows are taken, of each class, and how many labels are right.

        Args:
            names: of the classes.
            truth: of all rows of the split the label that it has, NaN for none; (rows,).
        """
        of_classes = np.bincount(self.labels, minlength=len(names)).tolist()
        own = truth[self.rows]
        right = None if np.isnan(own).any() else int((own == self.labels).sum())
        labels = dict(zip(names, of_classes, strict=True))
        return {"rows": len(self.rows), "labels": labels, "right": right}


def unlabelled_rows(data: MultiTaskDataModule) -> TokenizedSplit:
    """Return the rows that a teacher labels, with the labels that they have, NaN for none.

    They are rows of the stage's task, by whose head they are read.

    Args:
        data: of a ``SelfTrainedStage``.
    """
    assert isinstance(data.stage, SelfTrainedStage)
    subset = data.stage.more_rows
    tokens = data.tokens(splits(subset.task)["train"])
    return TokenizedSplit(data.stage.subsets[0].task, "train", tokens, np.sort(subset.drawn()))


def with_labels(rows: TokenizedSplit, labels: Floats) -> TokenizedSplit:
    """Return rows with other labels, (rows of the split,)."""
    tokens = rows.tokens.remove_columns(_LABEL).add_column(_LABEL, labels)
    return replace(rows, tokens=tokens)
