"""The stage that trains on a task's rows, and on others that another stage has labelled."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tlbench.data.split import text_count
from tlbench.errors import UserError
from tlbench.plan.stage import Need, TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.classification import Classification
from tlbench.tasks.kinds import kind_of


@dataclass(frozen=True)
class SelfTrainedStage(TrainStage):
    """A training of one task on its own rows and on rows with the labels of a teacher.

    It starts as any other does: of the teacher it takes no weights.

    Attributes:
        unlabelled: the rows that the teacher labels, of which some are taken.
        teacher: the stage that has trained on the task's own rows, and the task.
        threshold: the least probability of a label that is taken.
        balance: whether as many rows of every class are taken.
    """

    unlabelled: TaskSubset | None = None
    teacher: Need | None = None
    threshold: float = 0.0
    balance: bool = False

    run: ClassVar[str] = "tlbench.training.self_trained.train_student"

    @property
    def more_rows(self) -> TaskSubset:
        """The rows without labels."""
        assert self.unlabelled is not None
        return self.unlabelled

    @property
    def needs(self) -> tuple[Need, ...]:
        return (*((self.teacher,) if self.teacher else ()), *super().needs)

    @property
    def title(self) -> str:
        """What a person reads: ``rte with unlabelled by rte``."""
        by = self.teacher.title if self.teacher else "?"
        return f"{super().title} with {self.more_rows.name} by {by}"

    def fingerprint(self) -> dict[str, Any]:
        teacher = self.teacher
        return {
            **super().fingerprint(),
            "unlabelled": self.more_rows.fingerprint(held_out=False),
            "teacher": [teacher.stage.key, teacher.weights_of] if teacher else None,
            "threshold": self.threshold,
            "balance": self.balance,
        }

    def check(self) -> None:
        """Refuse a task that no label of one class is of, and rows that are not of the task.

        Raises:
            UserError: naming the key to change.
        """
        super().check()
        strategy, unlabelled = self.config.strategy.name, self.more_rows.task
        subset, *others = self.subsets
        kind = kind_of(subset.task)
        if not isinstance(kind, Classification) or kind.sequences > 1:
            raise UserError(
                f"Change target_task, or strategy: {strategy} labels rows of one class each, and "
                f"those of '{subset.name}' are not."
            )
        if unlabelled.head != subset.name:
            raise UserError(
                f"Change support_task to unlabelled, or head of '{unlabelled.name}' to "
                f"{subset.name}: {strategy} labels rows of the target."
            )
        texts = [text_count(task) for task in (subset.task, unlabelled)]
        if texts[0] != texts[1]:
            raise UserError(
                f"Change source.text of task '{unlabelled.name}': its rows have {texts[1]} texts, "
                f"and those of '{subset.name}' {texts[0]}."
            )
        if others or self.teacher is None or subset not in self.teacher.stage.subsets:
            raise UserError(
                f"Change strategy.plan: {self.title} trains one task by a stage that has trained "
                "on the same rows."
            )
