"""The choice among trials: the best score on held-out rows of train."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from tlbench.console import points
from tlbench.errors import UserError
from tlbench.sweep.tuning_candidates import Values


@dataclass(frozen=True)
class Trial:
    """A combination of values that was tried.

    Attributes:
        score: on held-out rows, a fraction; None of one that has diverged or is not defined.
        stage: the key of its last stage.
    """

    values: Values
    score: float | None
    stage: str


@dataclass(frozen=True)
class Choice:
    """What was tried for a candidate or a task alone, and what is chosen.

    Attributes:
        title: of what was tuned.
        trials: in the order of the grid.
    """

    title: str
    trials: tuple[Trial, ...]
    best: Trial

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The trials as records have them; see ``ResultRecord.tuning``."""
        return [
            {
                "of": self.title,
                "values": dict(trial.values),
                "held_out_score": trial.score,
                "stage": trial.stage,
                "chosen": trial is self.best,
            }
            for trial in self.trials
        ]


def choose(title: str, trials: Sequence[Trial]) -> Choice:
    """Choose the trial with the highest score; of equal ones the first in the grid's order.

    Raises:
        UserError: if none has a score.
    """
    scored = [(trial.score, trial) for trial in trials if trial.score is not None]
    if not scored:
        raise UserError(
            f"Change hydra.sweeper.tune: none of the {len(trials)} trials of {title} has a score "
            "on held-out rows; they have diverged, or it is not defined there."
        )
    _, best = max(scored, key=lambda pair: pair[0])
    return Choice(title, tuple(trials), best)


def choices_table(choices: Iterable[Choice], keys: Sequence[str]) -> Table:
    """Return a table of what is chosen for each, and the scores of all its trials.

    Args:
        keys: that were tuned.
    """
    table = Table(title="Chosen by held-out rows of train, whose scores are in points")
    table.add_column("tuned", overflow="fold")
    for key in (*keys, "score"):
        table.add_column(key, justify="right")
    table.add_column("all trials, in the order of the grid", overflow="fold")
    for choice in choices:
        values = [str(choice.best.values[key]) for key in keys]
        scores = [
            points(trial.score) if trial.score is not None else "-" for trial in choice.trials
        ]
        table.add_row(choice.title, *values, points(choice.best.score), " ".join(scores))
    return table
