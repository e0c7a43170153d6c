"""Rows of one split of a task, read when they are asked for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Sequence, Value
from datasets.exceptions import DatasetGenerationError

from tlbench.config.schema import Task
from tlbench.data import generated
from tlbench.data.cache import cached
from tlbench.data.groups import IN_GROUP
from tlbench.data.readers import Row
from tlbench.data.row_texts import columns_of, texts_per_row
from tlbench.errors import UserError
from tlbench.progress import counted
from tlbench.tasks.kinds import kind_of


@dataclass(frozen=True)
class Split:
    """The rows of one split, not read yet.

    Attributes:
        task: as the split is read (``tlbench.tasks.splits``).
        name: ``train``, ``dev``, ``dev_<name>`` or ``test``.
        key: a digest of what the rows are made of; other rows have another.
        make: yields them, with ``text_a``, ``text_b`` where there are two texts, and ``label``.
    """

    task: Task
    name: str
    key: str
    make: Callable[[], Iterable[Row]]

    @property
    def title(self) -> str:
        return f"{self.task.name} {self.name}"

    @property
    def phase(self) -> str:
        return f"reading {self.title}"

    @property
    def cache_key(self) -> str:
        """A digest of the rows themselves, by which they are kept."""
        return self.key

    def load(self, cache_dir: str, verify: bool = False) -> Dataset:
        """Return all rows, in the order of the source; from ``cache_dir`` the second time.

        Args:
            cache_dir: where they are kept.
            verify: compare checksums of what is read from there.

        Raises:
            UserError: if a row can't be used, or ``cache_dir`` can't be written.
        """
        return cached(lambda: self._load(cache_dir), cache_dir, self.cache_key, verify, self.phase)

    def _load(self, cache_dir: str) -> Dataset:
        text, number, kind = Value("string"), Value("float64"), kind_of(self.task)
        names = ("text_a", "text_b")[: text_count(self.task)]
        columns: dict[str, Any] = dict.fromkeys(names, text)
        if kind.reads_words:
            columns["words"] = Sequence(text)
        if kind.has_choices:
            columns = {"text_a": text, "choices": Sequence(text, kind.sequences)}
        is_one = kind.label_length is None or not kind.reads_labels
        label = number if is_one else Sequence(number, kind.label_length)
        groups = {} if self.task.groups is None else {IN_GROUP: text}
        features = Features({**columns, "label": label, **groups})
        try:
            # With this fingerprint datasets finds the rows of an earlier run; by itself it would
            # hash the generator, which may differ from run to run.
            return Dataset.from_generator(
                lambda: ({name: row[name] for name in features} for row in counted(self.make())),
                features=features,
                cache_dir=str(Path(cache_dir) / "rows"),
                fingerprint=self.cache_key,
            )
        except DatasetGenerationError as error:
            # datasets wraps whatever its generator raises; what is wrong with a row is for users.
            if isinstance(error.__cause__, UserError):
                raise error.__cause__ from None
            raise


def text_count(task: Task) -> int:
    """Return how many texts a row has: one, or two."""
    if task.source.format == "generated":
        return generated.TEXTS[str(task.source.name)]
    return texts_per_row(task)


def text_columns(task: Task) -> list[str]:
    """Return the columns of a row's texts; those that generated rows are given, which have none."""
    generated_ones = ["words"] if kind_of(task).reads_words else ["text_a", "text_b"]
    return columns_of(task) or generated_ones[: text_count(task)]
