"""A stage: a node of an experiment's graph, and the key that says which stages are the same.

The key hashes what changes a stage's result and nothing else, so that a stage that several
experiments, sweeps or jobs need is made once.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tlbench.config.dotted import lacks
from tlbench.config.identity import KEY_LENGTH
from tlbench.config.keys import later_values
from tlbench.config.schema import Config, Task
from tlbench.data.subsampling import draw
from tlbench.errors import UserError

if TYPE_CHECKING:
    from tlbench.data.split import Split
    from tlbench.plan.rows_stage import RowsStage


@dataclass(frozen=True)
class TaskSubset:
    """A task with the rows of it that a stage uses.

    Attributes:
        digests: of the source rows of every split.
        rows: how many rows the source has in every split.
        count: how many training rows are drawn, ``rows["train"]`` for all.
        dev_count: for every dev split how many rows are evaluated.
        seed: of the draw.
        skip: how many training rows another task has drawn before, which is on the same rows.
        test_digest: of the rows of ``source.test``; None but for a target that has them. They are
            apart from the other splits because nothing that is hashed may hold them.
        test_rows: how many they are.
        written_by: the stage that writes its rows, if one does (``tlbench.plan.rows_stage``).
    """

    task: Task
    digests: dict[str, str]
    rows: dict[str, int]
    count: int
    dev_count: dict[str, int]
    seed: int
    skip: int = 0
    test_digest: str | None = None
    test_rows: int = 0
    written_by: "RowsStage | None" = None

    @property
    def name(self) -> str:
        return self.task.name

    def drawn(self) -> NDArray[np.int64]:
        """Return the numbers of the training rows, (count,), in the order of drawing."""
        return draw(self.count, self.rows["train"], self.seed, self.skip)

    def splits(self) -> "dict[str, Split]":
        """Return ``train``, ``dev`` and one ``dev_<name>`` for each of ``source.more_dev``."""
        from tlbench.data.sources import splits  # who reads no rows needs no datasets

        return splits(self.task) if self.written_by is None else self.written_by.splits()

    def fingerprint(self, held_out: bool) -> dict[str, Any]:
        """Return what a stage's key hashes of it; the seed only where it chooses any rows."""
        counts = {"train": self.count, **self.dev_count}
        whole = counts == self.rows and not held_out
        own = {name: getattr(self.task, name) for name in ("name", "labels", "score", "metrics")}
        later = later_values(self.task)
        later.pop("source.unlabelled", None)  # digests and ``skip`` say what comes of it
        seed = None if whole else self.seed
        rows = {"digests": self.digests, "counts": counts, "subset_seed": seed}
        return {**own, **later, **rows, **({"skip": self.skip} if self.skip else {})}


@dataclass(frozen=True)
class Need:
    """An edge of the graph: a stage that is finished before another one begins.

    Attributes:
        weights_of: the task whose best weights the other one reads; None where it reads nothing
            but scores or predictions.
    """

    stage: "Stage"
    weights_of: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose best weights must be there: one, or none."""
        return () if self.weights_of is None else (self.weights_of,)

    @property
    def title(self) -> str:
        """What a person reads: ``mnli``, or ``mnli+rte:mnli`` where there is a choice of task."""
        choice = self.weights_of is not None and len(self.stage.tasks) > 1
        return self.stage.title + (f":{self.weights_of}" if choice else "")


@dataclass(frozen=True)
class Stage(ABC):
    """A node of the graph: it is made of what it needs, and keeps scores and weights of its tasks.

    Attributes:
        subsets: the tasks, sorted by name.
        run: dotted path of what makes it, resolved when a job begins: a function of a
            ``tlbench.training.context.StageContext`` and Lightning's loggers, which writes into
            the context's folder and returns what ``stage.json`` holds. That is a dict with

            - ``tasks``: by name of each of the stage's, a dict with ``score``, a fraction or None
              (not defined), and ``metrics``, by name; and where they are known ``majority_score``,
              ``collapsed``, ``selected_by`` (the score that chose the weights) and ``train_rows``
              (else as many as are drawn);
            - ``weights``, if another stage starts from it: the tasks whose weights are in the
              folder, as ``weights/<task>``; ``weights_of`` of the context are wanted;
            - ``diverged``, if it has: why, in words; then every score is None;
            - what it took, if anything: ``steps``, ``instances`` and ``seconds``.

            What it leaves out is recorded as not known, or none. Reports take intervals over rows
            from ``predictions/<task>.parquet``, where it writes one as a training does.
        trains: whether it trains on the rows of its tasks.
        has_cross_fit: whether it answers ``selection=cross_fit``.
    """

    config: Config
    subsets: tuple[TaskSubset, ...]

    run: ClassVar[str]
    trains: ClassVar[bool] = True
    has_cross_fit: ClassVar[bool] = False

    def __new__(cls, *_: Any, **__: Any) -> Self:
        if missing := lacks(cls):
            name = f"{cls.__module__}.{cls.__qualname__}"
            raise UserError(
                f"Change strategy.plan, or the class: the stage {name} lacks {', '.join(missing)}."
            )
        return super().__new__(cls)

    @property
    @abstractmethod
    def needs(self) -> tuple[Need, ...]:
        """What to finish before."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What a person reads."""

    @property
    def title_and_seed(self) -> str:
        """What a person reads where several seeds are trained: ``mnli+rte s0``."""
        return f"{self.title} s{self.config.seed}"

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Return all that the key hashes, as plain data."""

    @abstractmethod
    def check(self) -> None:
        """Refuse what can't be made, before anything is.

        Raises:
            UserError: naming the key to change.
        """

    def check_thresholds(self) -> None:
        """Refuse a threshold that held-out rows are to choose where none are held out.

        Raises:
            UserError: naming ``selection``.
        """
        for subset in self.subsets:
            if subset.task.threshold == "held_out" and self.config.selection != "held_out":
                raise UserError(
                    f"Change selection to held_out, or threshold of task '{subset.name}' to a "
                    "number: it is chosen on rows held out of train."
                )

    @property
    def start(self) -> Need | None:
        """The need whose weights it goes on from, if it does."""
        return None

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(subset.name for subset in self.subsets)

    @property
    def wants_cross_fit(self) -> bool:
        """Whether its cross-fitted scores are wanted; see ``tlbench.plan.cross_fit``."""
        return self.config.selection == "cross_fit"

    @property
    def is_single(self) -> bool:
        """Whether it trains a task alone from a fresh encoder, as many experiments may need it."""
        return not self.needs and len(self.subsets) == 1

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits."""
        text = json.dumps(self.fingerprint(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    def graph(self) -> list["Stage"]:
        """Return this stage and all those before it, each once, first things first."""
        stages: dict[str, Stage] = {}
        _visit(self, stages)
        return list(stages.values())

    def starts(self) -> list["Stage"]:
        """Return the stages that it goes on from, one after the other, the first first."""
        return [*self.start.stage.starts(), self.start.stage] if self.start else []


def _visit(stage: Stage, stages: dict[str, Stage]) -> None:
    if stage.key not in stages:
        for need in stage.needs:
            _visit(need.stage, stages)
        stages[stage.key] = stage
