"""Groups records whose scores may be averaged: those that differ in nothing but the seed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tlbench.config.identity import CHOICES, NEUTRAL_KEYS, affects_training, flatten
from tlbench.config.keys import is_under
from tlbench.records.definitions import (
    BASELINE,
    NONE,
    choice_keys,
    method_of,
    strategy_of,
    support_of,
    task_keys,
    tuned_keys,
    tuning_keys,
    without_effect,
)
from tlbench.records.record import ResultRecord

# Sizes, of which a table shows each value, stand in columns that vary.
_CHOSEN = (*(name for name in CHOICES if not is_under(name, ["subsample_size"])), *NEUTRAL_KEYS)


class Setting(NamedTuple):
    """What the seeds of one row share; ``values`` are those of the keys that vary."""

    target: str
    strategy: str
    method: str
    support: str
    values: tuple[str, ...]


Settings = Mapping[Setting, Mapping[int, ResultRecord]]  # the records of every setting by seed


class Flattened:
    """Flattens records' configs, section by section: many records have few different sections."""

    def __init__(self) -> None:
        self._sections: dict[tuple[str, str, tuple[str, ...]], dict[str, str]] = {}

    def __call__(self, record: ResultRecord) -> dict[str, str]:
        """Return the values of a record's config and choices, as texts by dotted key.

        Those that were tuned are not there.
        """
        return {key: value for part in self.parts(record) for key, value in part.items()}

    def parts(self, record: ResultRecord) -> Iterator[dict[str, str]]:
        """Yield what that is made of: sections, the same object where they are equal, and choices.

        Nobody may change them.
        """
        tuned = tuned_keys(record)
        for name, value in record.config.items():
            section = name, repr(value), tuned
            if section not in self._sections:
                self._sections[section] = {
                    key: str(v) for key, v in flatten(value, name) if not is_under(key, tuned)
                }
            yield self._sections[section]
        yield choice_keys(record) | tuning_keys(record)


def varying(records: Sequence[ResultRecord], flattened: Flattened | None = None) -> list[str]:
    """Return the keys in which records differ, all that an experiment chooses aside.

    They are of the config, of what a strategy or a method of one name is, and of what a task is
    where the config does not say it: ``task_keys``.
    """
    flattened = flattened or Flattened()
    parts = {id(part): part for record in records for part in flattened.parts(record)}
    values: dict[str, set[str]] = defaultdict(set)
    for part in parts.values():
        for key, value in part.items():
            values[key].add(value)
    of_config = [key for key, v in values.items() if len(v) > 1 and not is_under(key, _CHOSEN)]
    # Rows that differ only where configs do, as those of two suites, need no column of their own.
    alike: dict[tuple[str | None, ...], set[str]] = defaultdict(set)
    for record in records:
        config = flattened(record) if of_config else {}
        same = (record.target_task, *(config.get(key) for key in of_config))
        for key, value in task_keys(record).items():
            alike[key, *same].add(value)
    of_tasks = {str(key): None for (key, *_), different in alike.items() if len(different) > 1}
    return [*of_config, *of_tasks]


def setting_of(record: ResultRecord, varied: Sequence[str], flattened: Flattened) -> Setting:
    """Return what a record shares with the same experiment of other seeds.

    Args:
        varied: the keys in which the records of the table differ.
        flattened: of those records.
    """
    known = flattened(record) | task_keys(record) if varied else {}
    ignored = without_effect(record)
    return Setting(
        target=record.target_task,
        strategy=strategy_of(record),
        method=method_of(record),
        support=support_of(record),
        values=tuple(
            known.get(key, NONE) if affects_training(key, ignored) else NONE for key in varied
        ),
    )


def place(setting: Setting) -> tuple[Any, ...]:
    """Return where a setting stands: sizes by their numbers, the baseline before what it helps."""
    by_number = [_by_number(value) for value in setting.values]
    about = (setting.strategy, setting.support, setting.method)
    return by_number, setting.target, setting.strategy != BASELINE, about, setting.values


def _by_number(value: str) -> tuple[bool, Fraction, str]:
    try:  # 1/3, 0.5, 100, or 2x: of the target's
        return True, Fraction(value.removesuffix("x")), value
    except (ValueError, ZeroDivisionError):
        return False, Fraction(0), value


def baseline_of(setting: Setting, settings: Settings) -> dict[int, float] | None:
    """Return the baseline's scores by seed, at the same values of all keys that it has.

    Those that it does not have are of a support, or have no effect on it. An older record may not
    know a key; one that does is preferred.
    """
    agreeing = [
        other
        for other in settings
        if (other.target, other.strategy) == (setting.target, BASELINE)
        and all(a in (b, NONE) for a, b in zip(other.values, setting.values, strict=True))
    ]
    nearest = min(agreeing, key=lambda other: other.values.count(NONE), default=None)
    return None if nearest is None else scores_of(settings[nearest])


def scores_of(records: Mapping[int, ResultRecord]) -> dict[int, float]:
    """Return by seed the scores of those that have one."""
    return {seed: r.score for seed, r in records.items() if r.score is not None}
