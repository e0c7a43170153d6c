"""What no training can have found: a record that says it is damaged, or a stranger's joke.

A report averages and compares what records say, so that one impossible number would spoil all.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NotRequired

from typing_extensions import TypedDict

from tlbench.tasks.kinds import KINDS
from tlbench.tasks.worst_group import base_of

if TYPE_CHECKING:
    from tlbench.records.record import ResultRecord

MOST_BYTES = 50_000_000
_MOST = 1e15  # of any number: more than any training has steps, rows or seconds
_DEEPEST = 50  # mappings and lists inside each other
_ROUNDING = 1e-6
# Fractions, and correlations.
_WITHIN_ONE = {
    name for kind in KINDS.values() for name, m in kind.metrics.items() if not m.less_is_better
}


class _Task(TypedDict, total=False):
    labels: list[str] | None
    score: list[str]
    metrics: list[str]
    more_metrics: dict[str, Any]
    kind: str | None
    positive: str | None


class _Strategy(TypedDict, total=False):
    label: str | None
    supports: str
    tasks: list[str]
    without_effect: list[str]


class _Tuned(TypedDict, total=False):
    grid: dict[str, list[Any]]
    supports: dict[str, dict[str, Any]]


class _Config(TypedDict, total=False):
    tuned: _Tuned
    target_task: _Task
    strategy: _Strategy
    method: dict[str, Any]
    merging: dict[str, Any]
    logger: dict[str, Any] | None
    encoder: dict[str, Any]
    trainer: dict[str, Any]
    store_dir: str
    selection: str


class _Curve(TypedDict):
    steps: list[int]
    scores: dict[str, list[float | None]]
    chosen: dict[str, int]


class _Stage(TypedDict):
    title: str
    train_rows: dict[str, int]
    steps: int
    instances: int
    passes: NotRequired[int | None]
    curve: NotRequired[_Curve | None]


class _Test(TypedDict, total=False):
    score: float | None
    majority_score: float | None
    rows: int
    digest: str
    metrics: dict[str, float | None]


class _Leak(TypedDict):
    split: str
    rows: int
    task: str
    exact: int
    normalised: int


class _Trial(TypedDict):
    of: str
    values: dict[str, Any]
    held_out_score: float | None
    stage: str
    chosen: bool


class _Parts(TypedDict):
    config: _Config
    tasks: dict[str, _Task]
    stages: list[_Stage]
    test: _Test | None
    leaks: list[_Leak] | None
    tuning: list[_Trial]


def read_json(text: str) -> Any:
    """Return what a JSON text holds, in which no name stands twice and no number is none.

    Raises:
        ValueError: if it is another.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has '{next(n for n in names if names.count(n) > 1)}' twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON's")


def check_plausible(record: "ResultRecord") -> None:
    """Refuse a record that says what can't be.

    Raises:
        ValueError: saying what.
    """
    # Numbers of a config are the user's, and only compared.
    for name in ("stages", "metrics", "train_rows", "test", "leaks", "tuning"):
        _check_numbers(name, getattr(record, name), _DEEPEST)
    for name in ("seed", "dev_rows", "steps", "instances", "seconds", "training_seconds"):
        _check_count(name, getattr(record, name))
    for name in ("passes", "passes_reused"):
        _check_count(name, getattr(record, name) or 0)
    if record.status != "failed":  # whose config may be what has failed
        if len(set(record.support_tasks) | {record.target_task}) <= len(record.support_tasks):
            raise ValueError("a task is there twice among the target and its supports")
        parts = ("config", "tasks", "stages", "test", "leaks", "tuning")
        _adapter().validate_python({part: getattr(record, part) for part in parts}, strict=True)
        for name, value in _scores(record):
            if value is not None and not abs(value) <= 1 + _ROUNDING:
                raise ValueError(f"{name} is {value:g}, where a fraction belongs")
        keys = record.stage_keys
        if any(not key or key.split() != [key] for key in keys):
            raise ValueError("a key of a stage is no word")
        if record.stages and len(record.stages) != len(keys):
            raise ValueError(f"it has {len(keys)} keys of stages and {len(record.stages)} stages")
        for stage in record.stages:
            _check_curve(stage["title"], stage.get("curve"))


def _check_numbers(name: str, value: Any, deeper: int) -> None:
    if not deeper:
        raise ValueError(f"{name} is nested too deeply")
    if isinstance(value, int | float) and not abs(value) <= _MOST:
        raise ValueError(f"{name} has the number {value:.3g}")
    inside = list(value.values()) if isinstance(value, Mapping) else value
    for item in inside if isinstance(inside, list) else ():
        _check_numbers(name, item, deeper - 1)


def _check_curve(title: str, curve: Mapping[str, Any] | None) -> None:
    """Refuse a curve whose steps do not rise, or with other than one score a task for each."""
    if curve is None:
        return
    steps = curve["steps"]
    rising = all(one < other for one, other in itertools.pairwise([-1, *steps]))
    if not rising or any(len(scores) != len(steps) for scores in curve["scores"].values()):
        raise ValueError(f"the curve of {title} is none: steps that rise, a score for each")


def _check_count(name: str, value: float) -> None:
    if not 0 <= value <= _MOST:
        raise ValueError(f"{name} is {value:.3g}")


def _scores(record: "ResultRecord") -> Iterator[tuple[str, float | None]]:
    """Yield what is a fraction or a correlation by its name, with where it stands."""
    task = record.config.get("target_task", {})
    own = set(task.get("more_metrics", ()))
    if task.get("kind") not in (None, *KINDS):
        return
    test, within = record.test or {}, _WITHIN_ONE - own
    for place, metrics in ("metrics", record.metrics), ("test.metrics", test.get("metrics", {})):
        yield from ((f"{place}.{n}", v) for n, v in metrics.items() if base_of(n) in within)
    yield "threshold", record.threshold
    if set(map(base_of, task.get("score", ["accuracy"]))) <= within:
        for name in ("score", "majority_score"):
            yield name, getattr(record, name)
            yield f"test.{name}", test.get(name)
        yield "held_out_score", record.held_out_score
        for selection, value in record.scores_by_selection.items():
            yield f"scores_by_selection.{selection}", value
        for stage in record.stages:
            curve = stage.get("curve") or {"scores": {}}
            for value in curve["scores"].get(record.target_task, ()):
                yield f"the curve of {stage['title']}", value


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # a command that reads no record does without it

    return TypeAdapter(_Parts)
