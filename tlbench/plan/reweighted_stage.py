"""The stage that trains anew, with more weight on the rows that another stage gets wrong."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tlbench.errors import UserError
from tlbench.plan.stage import Need
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.classification import Classification
from tlbench.tasks.kinds import kind_of


@dataclass(frozen=True)
class ReweightedStage(TrainStage):
    """A training whose losses count more of the train rows that are errors of another one.

    It starts as any other does: of the stage that finds the errors it takes no weights.

    Attributes:
        errors_of: the stage that has trained on the same rows, and the task, the only one.
        error_weight: how many times as much as another row an error counts.
    """

    errors_of: Need | None = None
    error_weight: float = 1.0

    run: ClassVar[str] = "tlbench.training.reweighted.train_reweighted"

    @property
    def needs(self) -> tuple[Need, ...]:
        return (*((self.errors_of,) if self.errors_of else ()), *super().needs)

    @property
    def title(self) -> str:
        """What a person reads: ``mnli by errors of mnli``."""
        return f"{super().title} by errors of {self.errors_of.title if self.errors_of else '?'}"

    def fingerprint(self) -> dict[str, Any]:
        errors = self.errors_of
        key = [errors.stage.key, errors.weights_of] if errors else None
        return {**super().fingerprint(), "errors_of": key, "error_weight": self.error_weight}

    def check(self) -> None:
        """Refuse a task whose rows are not right or wrong, and rows that the errors are not of.

        Raises:
            UserError: naming the key to change.
        """
        super().check()
        strategy = self.config.strategy.name
        subset, *others = self.subsets
        if not isinstance(kind_of(subset.task), Classification):
            raise UserError(
                f"Change target_task, or strategy: {strategy} needs rows of one class each, which "
                f"are right or wrong, and those of '{subset.name}' are not."
            )
        errors = self.errors_of
        if errors is None or others or subset not in errors.stage.subsets:
            raise UserError(
                f"Change strategy.plan: {self.title} weighs rows of one task by a stage that has "
                "trained on the same."
            )
