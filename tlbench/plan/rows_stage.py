"""The stage that writes rows: a language model makes a support of a few of the target's.

After SELF-GUIDE (Zhao et al. 2024, 2407.12874) and Self-Instruct (Wang et al. 2023): the model is
shown rows of a label and writes more; what can't be used is filtered out. How many rows there will
be is known before.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tlbench.config.schema import Synthesis, Task
from tlbench.data.sources import SYNTHESISED, splits
from tlbench.data.split import Split, text_count
from tlbench.data.subsampling import hold_out
from tlbench.data.written import TEXTS, written_splits
from tlbench.errors import UserError
from tlbench.plan.prompt import check_prompt
from tlbench.plan.stage import Need, Stage, TaskSubset
from tlbench.plan.writer_files import identify
from tlbench.store.store import store_of
from tlbench.tasks.classification import Classification
from tlbench.tasks.kinds import kind_of

if TYPE_CHECKING:
    from tlbench.plan.experiment import Experiment

SYNTHESIS_VERSION = 2  # raise when code changes what is written, or what is kept of it
_ELSEWHERE = ("model", "revision")  # options for which the identity of the files stands
_checked: set[str] = set()  # keys of stages whose examples are there: a sweep plans many


@dataclass(frozen=True)
class RowsStage(Stage):
    """Rows that a language model writes for a target, kept as ``rows.csv``.

    It has no task of its own: nothing is trained, and nothing has a score.

    Attributes:
        target: of whose train rows the model is shown some.
        task: the support whose rows are written, as ``as_written`` reads them.
        counts: how many for ``train`` and ``dev``.
        identity: of the model's files.
        teacher: the target trained alone, where ``synthesis.agreement`` asks for it.
    """

    target: TaskSubset
    task: Task
    counts: Mapping[str, int]
    identity: str
    teacher: Need | None = None

    run: ClassVar[str] = "tlbench.synthesis.write.write_stage"
    trains: ClassVar[bool] = False

    @property
    def options(self) -> Synthesis:
        return self.config.synthesis

    @property
    def needs(self) -> tuple[Need, ...]:
        return () if self.teacher is None else (self.teacher,)

    @property
    def title(self) -> str:
        """What a person reads: ``rows(synthesised for rte)``."""
        return f"rows({self.task.name} for {self.target.name})"

    @property
    def title_and_seed(self) -> str:
        """The title: rows are those of ``synthesis.seed``, whatever the experiment's seed is."""
        return self.title

    @property
    def wants_cross_fit(self) -> bool:
        """False: it has no scores."""
        return False

    @property
    def most_tokens(self) -> int:
        """How many tokens it writes at most."""
        return sum(self.counts.values()) * self.options.tries * self.options.max_new_tokens

    def fingerprint(self) -> dict[str, Any]:
        options = asdict(self.options)
        hashed = {k: v for k, v in options.items() if k not in (*_ELSEWHERE, "tries")}
        target, teacher, held_out = self.target, self.teacher, self.config.selection == "held_out"
        drawn = target.count < target.rows["train"] or held_out
        others = {name: key for name, key in target.digests.items() if name != "train"}
        # Rows of test are kept out too. What is trained on these rows has no digest of test rows.
        others |= {} if target.test_digest is None else {"test": target.test_digest}
        return {
            "synthesis": SYNTHESIS_VERSION,
            "model": self.identity,
            "options": hashed,
            "labels": self.task.labels,
            "counts": dict(self.counts),
            "shown": [target.digests["train"], target.count, target.seed if drawn else None],
            "held_out": held_out,
            "kept_out": others,
            "teacher": teacher and [teacher.stage.key, teacher.weights_of],
        }

    def check(self) -> None:
        """Refuse a prompt that can't be filled in, and a label of which there is nothing to show.

        Raises:
            UserError: naming the key to change.
        """
        check_prompt(self.options, self.task.labels or [])
        if self.key in _checked or not self.options.examples:
            return
        train = splits(self.target.task)["train"].load(self.config.cache_dir)
        shown = {int(label) for label in train.select(self.shown_rows())["label"]}
        for number, label in enumerate(self.task.labels or ()):
            if number not in shown:
                raise UserError(
                    f"Change synthesis.examples to 0, or subsample_size.target: the "
                    f"{self.target.count} train rows of '{self.target.name}' have none with the "
                    f"label {label}, of which {self.task.name} is to have some."
                )
        _checked.add(self.key)

    def shown_rows(self) -> NDArray[np.int64]:
        """Return the numbers of the train rows that may be shown: those that train the target.

        Rows that are held out of train to choose weights are not among them.
        """
        drawn = self.target.drawn()
        return hold_out(drawn)[0] if self.config.selection == "held_out" else drawn

    def splits(self) -> dict[str, Split]:
        """Return the splits of its rows, written or not."""
        folder = store_of(self.config).folder(self.key)
        return written_splits(self.task, folder, self.key, self.counts)


def is_written(task: Task) -> bool:
    """Whether a stage writes the rows of a task."""
    return task.source.format == SYNTHESISED


def written(experiment: "Experiment", task: Task) -> RowsStage:
    """Return the stage that writes a support of an experiment.

    Args:
        experiment: with its target, before it has supports.
        task: the support.

    Raises:
        UserError: naming what to change, if no rows can be written for the target, or it has not
            the examples that are asked for.
    """
    target, options = experiment.target, experiment.config.synthesis
    _check_task(task, target)
    identity = identify(options.model, options.revision)
    source = replace(task.source, text=list(TEXTS[: text_count(target.task)]), label="label")
    counts = {"train": task.source.train, "dev": task.source.dev}
    as_written = replace(task, source=source)
    teacher = None
    if options.agreement:
        alone = experiment.stage([target], seed=options.seed)
        teacher = Need(alone, target.name)
    return RowsStage(experiment.config, (), target, as_written, counts, identity, teacher)


def _check_task(task: Task, target: TaskSubset) -> None:
    where = f"of task '{task.name}'"
    for one in (target.task, task):
        if not isinstance(kind_of(one), Classification):
            raise UserError(
                f"Change support_task, or target_task: {task.name} writes rows of one class each, "
                f"and those of '{one.name}' are not."
            )
    if task.labels != target.task.labels:
        raise UserError(
            f"Change labels {where} to those of the target, ${{target_task.labels}}: its rows are "
            f"written like those of '{target.name}'."
        )
    if task.groups is not None or task.relabel is not None or task.source.template:
        raise UserError(
            f"Leave out groups, relabel and source.template {where}: a language model writes its "
            "rows, which have texts and a label."
        )
    for name, value in (("train", task.source.train), ("dev", task.source.dev)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"Change source.{name} {where}: give a number of rows, not {value}.")
    if task.source.more_dev or task.source.test is not None:
        raise UserError(
            f"Leave out source.more_dev and source.test {where}: rows are written for train and "
            "dev."
        )
