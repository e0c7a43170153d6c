"""Which supports of a race look promising before they are tried, and which are not tried at all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from rich.table import Table

from tlbench.analysis.collect import collect
from tlbench.console import console, points, say
from tlbench.errors import UserError
from tlbench.plan.experiment import Experiment
from tlbench.predictors.earlier import earlier
from tlbench.predictors.predictions import PREDICTORS, Prediction, predictions
from tlbench.predictors.regret import Regret, regrets
from tlbench.records.definitions import ALL, NONE
from tlbench.sweep.race_candidates import RaceCandidate

_SHOWN = {"size_rule": "{:,.0f}", "earlier": "{:+.3f}"}  # else three digits

Promises = Mapping[str, Mapping[str, float]]  # by target and support


@dataclass(frozen=True)
class Priors:
    """What orders a race's first round.

    Attributes:
        prior: the predictor's name; None for none.
        skip: how many supports are not tried, those that it likes least.
        studies: files and folders of finished studies.
    """

    prior: str | None = None
    skip: int = 0
    studies: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what can't be used.

        Raises:
            UserError: naming the override to change.
        """
        if self.prior is not None and self.prior not in PREDICTORS:
            raise UserError(
                f"Change hydra.sweeper.prior: '{self.prior}' is none of {', '.join(PREDICTORS)}."
            )
        if self.skip < 0:
            raise UserError("Change hydra.sweeper.skip: it is how many supports are left out.")
        if self.skip and self.prior is None:
            raise UserError(
                "Add hydra.sweeper.prior=text_similarity, or another: it says which are skipped."
            )

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """The records of the finished studies; None without any.

        Raises:
            UserError: if they can't be read.
        """
        return collect(self.studies).table if self.studies else None


def experiments_of(candidates: Sequence[RaceCandidate]) -> dict[str, list[Experiment]]:
    """Return by target the planned experiments that have one support, of every seed."""
    found: dict[str, list[Experiment]] = {}
    for one in candidates:
        for run in one.runs:
            if run.experiment is not None and len(run.experiment.supports) == 1:
                found.setdefault(one.target, []).append(run.experiment)
    return found


def promises(candidates: Sequence[RaceCandidate], priors: Priors) -> Promises:
    """Return by target and support what the predictor says of it; nothing without a predictor.

    Raises:
        UserError: if the predictor can't judge a support.
    """
    if priors.prior is None:
        return {}
    by_target = experiments_of(candidates).items()
    return {target: _numbers(experiments, priors) for target, experiments in by_target}


def skipped(promise: Promises, skip: int) -> dict[str, list[str]]:
    """Return by target the supports that are not tried, the least promising first.

    Raises:
        UserError: if none is left to try.
    """
    found = {}
    for target, numbers in promise.items():
        if skip >= len(numbers):
            raise UserError(
                f"Change hydra.sweeper.skip: {target} has {len(numbers)} supports, and one at "
                "least has to be tried."
            )
        found[target] = sorted(numbers, key=lambda name: numbers[name])[:skip]
    return found


def promising_first(candidates: Sequence[RaceCandidate], promise: Promises) -> list[RaceCandidate]:
    """Return the candidates with those of the most promising supports before others."""

    def of_support(one: RaceCandidate) -> float:
        numbers = promise.get(one.target, {})
        return numbers.get(one.support or "", math.inf)

    return sorted(candidates, key=of_support, reverse=True)


def say_skipped(skips: Mapping[str, Sequence[str]], priors: Priors) -> None:
    """Print which supports are not tried, and what that has cost in finished studies.

    Raises:
        UserError: if a finished study can't be read.
    """
    if not skips:
        return
    studies = priors.table
    found = [] if studies is None else regrets(studies, of_studies(studies))
    for target, names in skips.items():
        same = [one for one in found if one.predictor == priors.prior and one.skipped == len(names)]
        cost = "no finished study here says what that costs"
        if same:
            (one,) = same
            cost = (
                f"in finished studies that has cost {shown(one)} points, over {one.targets} targets"
            )
        say(f"skipped for {target}, as {priors.prior} says: {', '.join(names)}; {cost}")


def _numbers(experiments: Sequence[Experiment], priors: Priors) -> Mapping[str, float]:
    assert priors.prior is not None
    names = {one.supports[0].name for one in experiments}
    said = predictions(experiments, priors.table, [priors.prior])
    numbers = said[0].by_support if said else {}
    if unknown := sorted(names - numbers.keys()):
        needs = PREDICTORS[priors.prior] or "nothing"
        raise UserError(
            f"Change hydra.sweeper.prior: {priors.prior} can't judge {', '.join(unknown)} yet; it "
            f"needs {needs}."
        )
    return numbers


def say_ranking(candidates: Sequence[RaceCandidate], priors: Priors) -> None:
    """Print what every predictor says of the supports, and what following each has cost.

    Raises:
        UserError: if a finished study can't be read.
    """
    studies = priors.table
    for target, experiments in experiments_of(candidates).items():
        _print_predictions(target, predictions(experiments, studies))
    lacking = [f"{name} ({needs})" for name, needs in PREDICTORS.items() if needs]
    say(f"a predictor is left out where it lacks what it needs: {', '.join(lacking)}")
    if studies is None:
        say("which to believe: hydra.sweeper.studies=[FILE.parquet] says what each has cost there")
        return
    print_regrets(regrets(studies, of_studies(studies)))


def of_studies(studies: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return what the predictors that need records alone say of finished studies."""
    sizes, others = {}, {}
    for target, part in studies.groupby("target"):
        supports = part[~part.support.isin([NONE, ALL])]
        rows = supports.groupby("support").support_rows.max()
        sizes[str(target)] = {str(name): float(count) for name, count in rows.items()}
        others[str(target)] = earlier(studies, str(target))
    return {"size_rule": sizes, "earlier": others}


def _print_predictions(target: str, found: Sequence[Prediction]) -> None:
    supports = sorted({name for one in found for name in one.by_support})
    table = Table(title=f"Supports for {target}, before they are tried (rank)")
    table.add_column("support")
    for one in found:
        table.add_column(one.predictor, justify="right")
    for support in supports:
        table.add_row(support, *(_cell(one, support) for one in found))
    console().print(table)


def _cell(prediction: Prediction, support: str) -> str:
    number = prediction.by_support.get(support)
    if number is None:
        return "-"
    rank = 1 + sum(other > number for other in prediction.by_support.values())
    return f"{_SHOWN.get(prediction.predictor, '{:.3f}').format(number)} ({rank})"


def print_regrets(found: Sequence[Regret]) -> None:
    """Print what trying only some supports has cost in finished studies."""
    kept = sorted({one.kept for one in found})
    table = Table(title="What trying only the best so many supports has cost there, in points")
    table.add_column("predictor")
    for count in kept:
        table.add_column(f"{count} tried", justify="right")
    for name in dict.fromkeys(one.predictor for one in found):
        by_kept = {one.kept: one for one in found if one.predictor == name}
        table.add_row(name, *(shown(by_kept.get(count)) for count in kept))
    console().print(table)
    targets = max((one.targets for one in found), default=0)
    if targets == 1:
        say("one target (90% interval over its seeds)")
    else:
        say(f"the mean over {targets} targets (90% interval)")


def shown(regret: Regret | None) -> str:
    """Return a regret as people read it: ``0.4 (-0.2 to 1.0)``, in points."""
    if regret is None:
        return "-"
    return f"{points(regret.mean)} ({points(regret.low)} to {points(regret.high)})"
