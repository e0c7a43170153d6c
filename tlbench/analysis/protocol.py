"""Which records belong together: those that agree in all that is no experiment's choice.

That is their configs, what their tasks are (definitions and rows), and what a strategy of one name
is. Records that do not are
never averaged: a report is about one protocol, or with ``--by`` about each apart. What changes
where a run went and not what it was, versions and devices, is named.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tlbench.config.identity import NEUTRAL_KEYS, affects_training, flatten, is_under
from tlbench.errors import UserError
from tlbench.records.definitions import PREFIX, plan_key, task_keys
from tlbench.records.record import ResultRecord

# A task, a strategy and a seed are what a study compares; sizes are a table's own columns.
_CHOSEN = (
    "target_task",
    "support_task",
    "strategy",
    "seed",
    "subsample_size.target",
    "subsample_size.support",
)
NAMED = ("versions", "git_revision", "device", "conditions", "study")


class Protocols:
    """Numbers for records that say the same, experiments' own choices aside.

    Configs are compared section by section, each flattened once: a large study has many records
    and few distinct sections.
    """

    def __init__(self) -> None:
        self.flat: list[dict[str, str]] = []
        self._sections: dict[tuple[str, str], dict[str, str]] = {}
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}
        self._known: dict[tuple[Any, ...], int] = {}

    def number(self, record: ResultRecord) -> int:
        """The number of a record's protocol; ``flat`` has at it the keys that matter to it."""
        strategy, config = record.strategy, record.config
        defined = task_keys(record) | plan_key(record)
        texts = tuple((name, repr(value)) for name, value in config.items() if name not in _ASIDE)
        tasks = config.get("strategy", {})
        mixed = str(tasks.get("tasks")) if tasks.get("supports") == "all" else ""
        key = (strategy, mixed, texts, *defined.items())
        if key not in self._known:
            flat = {"strategy.tasks": mixed} if mixed else {}
            for name, text in texts:
                flat |= self._section(name, text, config[name])
            flat = {k: v for k, v in flat.items() if affects_training(k, strategy)} | defined
            number = self._numbers.setdefault(tuple(sorted(flat.items())), len(self.flat))
            if number == len(self.flat):
                self.flat.append(flat)
            self._known[key] = number
        return self._known[key]

    def _section(self, name: str, text: str, value: Any) -> dict[str, str]:
        if (name, text) not in self._sections:
            self._sections[name, text] = {
                key: str(v)
                for key, v in flatten(value, name)
                if not is_under(key, (*_CHOSEN, *NEUTRAL_KEYS))
            }
        return self._sections[name, text]


_ASIDE = {key for key in (*_CHOSEN, *NEUTRAL_KEYS) if "." not in key}


def differences(table: pd.DataFrame, protocols: Protocols) -> dict[str, list[str]]:
    """The keys that differ within a target, each with its values in the order found.

    A key that differs only between targets, as a learning rate of each task's own, keeps what
    is compared together; so does one that is the seed, and a key of a task that differs only where
    the configs do, as the rows of two suites.
    """
    found = _within_targets(table, protocols)
    of_config = {key: values for key, values in found.items() if not is_under(key, (PREFIX,))}
    parts = split(table, protocols, list(of_config)) if of_config else [({}, table)]
    inside = {key for _, part in parts for key in _within_targets(part, protocols)}
    return of_config | {k: v for k, v in found.items() if k in inside and k not in of_config}


def between_targets(table: pd.DataFrame, protocols: Protocols) -> dict[str, list[str]]:
    """The keys of a task that differ, each with its values; for records that agree in a target."""
    of_tasks = _within_targets(table.assign(target=""), protocols)
    return {key: values for key, values in of_tasks.items() if is_under(key, (PREFIX,))}


def _within_targets(table: pd.DataFrame, protocols: Protocols) -> dict[str, list[str]]:
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    order: dict[str, dict[str, None]] = defaultdict(dict)
    apart = table[["target", "seed", "protocol"]].drop_duplicates()
    is_seed: dict[str, bool] = defaultdict(lambda: True)
    for target, seed, number in apart.itertuples(index=False):
        for key, value in protocols.flat[number].items():
            values[key][target].add(value)
            order[key][value] = None
            is_seed[key] &= value == str(seed)
    return {
        key: list(order[key])
        for key, targets in values.items()
        if not is_seed[key] and any(len(found) > 1 for found in targets.values())
    }


def named_differences(table: pd.DataFrame) -> dict[str, list[str]]:
    """What differs and keeps records together: versions, revisions and devices."""
    known = table[table.status != "failed"]
    columns = {name: known[name].dropna() for name in NAMED if name != "study"}
    return {name: list(found.unique()) for name, found in columns.items() if found.nunique() > 1}


def split(
    table: pd.DataFrame, protocols: Protocols, keys: Sequence[str]
) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """The records by their values of config keys or of the columns in ``NAMED``.

    A record to which a key does not matter, as sampling to ``single``, or that does not know it, as
    an older one the rows, belongs to every part that it fits. No part has two values of a key, and
    every record is in one.
    """
    frame = pd.DataFrame({key: _values(table, protocols, key) for key in keys}, index=table.index)
    distinct = frame.drop_duplicates().to_dict("records")
    known = [{key: v for key, v in one.items() if not pd.isna(v)} for one in distinct]
    parts: list[dict[str, str]] = []
    for values in sorted(known, key=len, reverse=True):
        fits = [part for part in parts if all(part.get(k, v) == v for k, v in values.items())]
        for part in fits:
            part |= values
        if not fits:
            parts.append(values)
    ordered = [{key: part[key] for key in keys if key in part} for part in parts]
    return [(part, table[_belongs(frame, part)]) for part in ordered]


def _belongs(frame: pd.DataFrame, part: dict[str, str]) -> "pd.Series[bool]":
    matches = [frame[key].isna() | (frame[key] == part.get(key)) for key in frame]
    return pd.concat(matches, axis=1).all(axis=1)


def _values(table: pd.DataFrame, protocols: Protocols, key: str) -> "pd.Series[Any]":
    if key in NAMED:
        return table[key].mask(table.status == "failed")
    by_number = {n: flat.get(key) for n, flat in enumerate(protocols.flat)}
    return table["protocol"].map(by_number).astype(object)


def keys_of(asked: Sequence[str], differing: Sequence[str]) -> list[str]:
    """The keys that ``--by`` names: as they are, or every differing one of a config group.

    Raises:
        UserError: for one in which the records do not differ.
    """
    keys: list[str] = []
    for name in asked:
        found = [key for key in differing if is_under(key, (name,))]
        if name in NAMED:
            found = [name]
        if not found:
            there = ", ".join([*differing, *NAMED])
            raise UserError(f"Change --by: the records do not differ in '{name}'; try {there}.")
        keys += found
    return list(dict.fromkeys(keys))


def sentence(different: dict[str, list[str]], shown: int = 4) -> str:
    """Differences in words: ``loss (sum, mean) and sampling.name (size, uniform)``."""
    words = []
    for key, values in different.items():
        more = f", {len(values) - shown} more" if len(values) > shown else ""
        words.append(f"{key} ({', '.join(map(str, values[:shown]))}{more})")
    return " and ".join(words[:shown]) + (" and more" if len(words) > shown else "")
