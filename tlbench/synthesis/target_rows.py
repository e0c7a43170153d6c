"""The target's rows, as far as a language model is shown them or must not write them again."""

from functools import cached_property

import numpy as np
from datasets import Dataset

from tlbench.data.row_digests import column, row_digests
from tlbench.data.sources import final_split
from tlbench.data.split import Split
from tlbench.data.written import TEXTS
from tlbench.plan.rows_stage import RowsStage

Texts = tuple[str, ...]


class TargetRows:
    """Rows of the target of a stage.

    Attributes:
        shown: the train rows of which examples are drawn.
    """

    def __init__(self, stage: RowsStage) -> None:
        self.stage = stage
        self.cache_dir = stage.config.cache_dir
        train = stage.target.splits()["train"].load(self.cache_dir)
        self.shown: Dataset = train.select(np.sort(stage.shown_rows()))

    @cached_property
    def _labels(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.asarray(self.shown["label"])

    def examples(self, label: int, count: int, numbers: np.random.Generator) -> list[Texts]:
        """Return some of the rows of a label; all of them where there are not so many.

        Args:
            label: its place among the labels.
            count: how many.
            numbers: that draw them.
        """
        of_label = np.flatnonzero(self._labels == label)
        drawn = numbers.permutation(of_label)[:count]
        names = [name for name in TEXTS if name in self.shown.column_names]
        return [tuple(self.shown[int(row)][name] for name in names) for row in drawn]

    def train_digests(self) -> set[int]:
        """Return what all train rows that the target has drawn are known by."""
        return self._digests(self.stage.target.splits()["train"])

    def scored_digests(self) -> set[int]:
        """Return what the rows of dev, of other splits that are evaluated and of test are known by.

        All of them, drawn or not.
        """
        target = self.stage.target
        evaluated = [split for name, split in target.splits().items() if name != "train"]
        test = final_split(target.task)
        return set[int]().union(*map(self._digests, [*evaluated, *([test] if test else [])]))

    def _digests(self, split: Split) -> set[int]:
        digests = row_digests(split.load(self.cache_dir), self.cache_dir, split.title)
        return {int(digest) for digest in column(digests, "normalised")}
