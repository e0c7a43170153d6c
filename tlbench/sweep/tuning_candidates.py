"""The candidates of a tuned sweep: what each starts from, and the overrides of its runs."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tlbench.config.keys import is_under
from tlbench.config.syntax import quoted
from tlbench.plan.experiment import choice_of
from tlbench.records.definitions import BASELINE
from tlbench.sweep.compose import Options, key_of
from tlbench.sweep.plan import Plan, PlannedExperiment, check_planned, runs_by_choice
from tlbench.sweep.tuning_search import Search

Values = Mapping[str, Any]  # by dotted key of the config


@dataclass(frozen=True)
class Candidate:
    """A choice for a target whose values are tuned.

    Attributes:
        overrides: that choose it, all but its seed.
        runs: of its seeds, planned with the config's own values.
        alone: by support that it trains alone, the overrides of that task's own ``single``.
        tried: the overrides by whose trials its values are chosen: its own, or where its last stage
            trains nothing, as a merge, those of the target alone.
    """

    overrides: Options
    runs: tuple[PlannedExperiment, ...]
    alone: Mapping[str, Options]
    tried: Options

    @property
    def title(self) -> str:
        """What a person reads: ``stilts rte<-mnli``."""
        return choice_of(self.runs[0].config)

    @property
    def has_trials(self) -> bool:
        """Whether trials are of the candidate itself."""
        return self.tried == self.overrides


def candidates_of(plan: Plan) -> list[Candidate]:
    """Return the candidates of a plan of all seeds.

    Raises:
        UserError: if one of them can't be planned.
    """
    check_planned(plan)
    by_choice = runs_by_choice(plan.experiments)
    return [_candidate(overrides, tuple(runs)) for overrides, runs in by_choice.items()]


def _candidate(overrides: Options, runs: tuple[PlannedExperiment, ...]) -> Candidate:
    experiment, stages = runs[0].experiment, runs[0].stages
    assert experiment is not None
    trained = {stage.tasks[0] for stage in stages if stage.trains and len(stage.tasks) == 1}
    alone = {
        support.name: _support_alone(overrides, support.name, support.count)
        for support in experiment.supports
        if support.name in trained
    }
    tried = overrides if stages[-1].trains else _target_alone(overrides)
    return Candidate(overrides, runs, alone, tried)


def with_shared_trials(
    candidates: Sequence[Candidate], stages: Mapping[Options, str]
) -> list[Candidate]:
    """Return the candidates, with the same overrides for what is the same task alone.

    Several may come to one stage: a candidate ``single``, or other methods, which have no effect on
    a task alone.

    Args:
        stages: by the overrides of tasks alone, and of candidates that start from none, the key of
            the stage that they end with.
    """
    first: dict[str, Options] = {}
    for one in candidates:
        if one.has_trials and not one.alone:
            first.setdefault(stages[one.overrides], one.overrides)

    def shared(overrides: Options) -> Options:
        return first.setdefault(stages[overrides], overrides)

    return [
        replace(
            one,
            alone={name: shared(overrides) for name, overrides in one.alone.items()},
            tried=one.tried if one.has_trials else shared(one.tried),
        )
        for one in candidates
    ]


def _support_alone(overrides: Options, support: str, count: int) -> Options:
    """Return the overrides of the stage of a support alone, as an experiment that ends with it.

    Its rows are those that the candidate trains on. Whatever is the same of its other rows, its dev
    rows choose nothing.
    """
    kept = _without(overrides, ("strategy", "target_task", "support_task", "subsample_size.target"))
    renamed = [_OF_SUPPORT.sub(r"\1target_task.", word) for word in overrides]
    own = [new for new, word in zip(renamed, overrides, strict=True) if new != word]
    size = f"subsample_size.target={count}"
    words = [*kept, f"target_task={support}", *own, size, "allow_leakage=true"]
    return (*words, *_SINGLE)


def _target_alone(overrides: Options) -> Options:
    return (*_without(overrides, ("strategy", "support_task")), *_SINGLE)


_OF_SUPPORT = re.compile(r"^([+~]*)support_task\.")  # of an override of a value
_SINGLE = ("support_task=none", f"strategy={BASELINE}")


def trial_overrides(
    overrides: Options, search: Search, values: Values, supports: Mapping[str, Values], study: str
) -> Options:
    """Return the overrides of a trial: chosen by rows of train, whatever the study is chosen by.

    Args:
        overrides: of what is tried.
        values: that are tried.
        supports: the values that are chosen for supports alone.
        study: what the trials of a study are called, in records and as W&B's group.
    """
    kept = _without(overrides, ("selection", "keep_weights", "study"))
    fixed = [f"seed={search.seed}", "selection=held_out", "keep_weights=needed"]
    fixed.append(f"study={quoted(study)}")
    return (*kept, *fixed, *_assigned(values), *_supports(supports))


def final_overrides(
    run: PlannedExperiment, search: Search, values: Values, supports: Mapping[str, Values]
) -> Options:
    """Return the overrides of a run with the values that are chosen for its candidate."""
    tuned = {"grid": search.grid, "trials": len(search.combinations), "seed": search.seed}
    said = _assigned({f"++tuned.{name}": value for name, value in tuned.items()})
    return (*run.overrides, *_assigned(values), *said, *_supports(supports))


def _supports(supports: Mapping[str, Values]) -> Iterator[str]:
    # By the name of each, which in a mapping could be read as a number.
    return _assigned({f"++tuned.supports.{name}": values for name, values in supports.items()})


def _assigned(values: Values) -> Iterator[str]:
    return (f"{key}={_written(value)}" for key, value in values.items())


def _written(value: Any) -> str:
    """Return a value as Hydra's grammar has it."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return json.dumps(value)  # numbers, true, false and null are written alike


def _without(overrides: Iterable[str], keys: Collection[str]) -> list[str]:
    """Return the overrides of other keys than these and what is below them."""
    return [word for word in overrides if not is_under(key_of(word), keys)]
