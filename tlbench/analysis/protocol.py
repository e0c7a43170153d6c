"""Finds out which records belong together: those that agree in all that no experiment chooses.

That is their configs, what their tasks are (definitions and rows), and what a strategy or a method
of one name is. Records that do not agree are never averaged: a report is about one protocol, or
with ``--by`` about each apart. What changes where a run went and not what it was, versions and
devices, is named.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tlbench.config.identity import CHOICES, NEUTRAL_KEYS, affects_training, flatten
from tlbench.config.keys import is_under
from tlbench.errors import UserError
from tlbench.records.definitions import (
    TASKS,
    choice_keys,
    task_keys,
    tuned_keys,
    tuning_keys,
    without_effect,
)
from tlbench.records.provenance import short_revisions
from tlbench.records.record import ResultRecord

NAMED = ("versions", "git_revision", "device", "conditions", "study")


class Protocols:
    """Numbers for records that say the same, experiments' own choices aside.

    Configs are compared section by section, each flattened once: a large study has many records
    and few distinct sections.

    Attributes:
        flat: by number, the dotted keys that matter to its records, with their values.
    """

    def __init__(self) -> None:
        self.flat: list[dict[str, str]] = []
        self._sections: dict[tuple[str, str, tuple[str, ...]], dict[str, str]] = {}
        self._numbers: dict[tuple[tuple[str, str], ...], int] = {}
        self._numbered: dict[tuple[Any, ...], int] = {}

    def number(self, record: ResultRecord) -> int:
        """Return the number of a record's protocol."""
        config, ignored, tuned = record.config, without_effect(record), tuned_keys(record)
        defined = task_keys(record) | choice_keys(record) | tuning_keys(record)
        texts = tuple((name, repr(value)) for name, value in config.items() if name not in _ASIDE)
        everything = (ignored, texts, *defined.items())
        if everything not in self._numbered:
            flat: dict[str, str] = {}
            for name, text in texts:
                flat |= self._section(name, text, config[name], tuned)
            flat = {k: v for k, v in flat.items() if affects_training(k, ignored)} | defined
            number = self._numbers.setdefault(tuple(sorted(flat.items())), len(self.flat))
            if number == len(self.flat):
                self.flat.append(flat)
            self._numbered[everything] = number
        return self._numbered[everything]

    def _section(self, name: str, text: str, value: Any, tuned: tuple[str, ...]) -> dict[str, str]:
        section = name, text, tuned
        if section not in self._sections:
            self._sections[section] = {
                key: str(v)
                for key, v in flatten(value, name)
                if not is_under(key, (*CHOICES, *NEUTRAL_KEYS, *tuned))
            }
        return self._sections[section]


_ASIDE = {key for key in (*CHOICES, *NEUTRAL_KEYS) if "." not in key}


def differences(table: pd.DataFrame, protocols: Protocols) -> dict[str, list[str]]:
    """Return the keys that differ within a target, each with its values in the order found.

    A key that differs only between targets, as a learning rate of each task's own, keeps what
    is compared together; so does one that is the seed, and a key of a task that differs only where
    the configs do, as the rows of two suites.
    """
    different = _within_targets(table, protocols)
    of_config = {key: values for key, values in different.items() if not is_under(key, (TASKS,))}
    parts = split(table, protocols, list(of_config)) if of_config else [({}, table)]
    inside = {key for _, part in parts for key in _within_targets(part, protocols)}
    return of_config | {k: v for k, v in different.items() if k in inside and k not in of_config}


def between_targets(table: pd.DataFrame, protocols: Protocols) -> dict[str, list[str]]:
    """Return the keys of a task that differ between targets, each with its values.

    Args:
        table: records that agree within every target.
    """
    different = _within_targets(table.assign(target=""), protocols)
    return {key: values for key, values in different.items() if is_under(key, (TASKS,))}


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
        if not is_seed[key] and any(len(of_target) > 1 for of_target in targets.values())
    }


def named_differences(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return what differs and keeps records together: versions, revisions and devices."""
    trained = table[table.status != "failed"]
    columns = {name: trained[name].dropna().unique() for name in NAMED if name != "study"}
    return {name: list(values) for name, values in columns.items() if len(values) > 1}


def split(
    table: pd.DataFrame, protocols: Protocols, keys: Sequence[str]
) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """Split the records by their values of config keys or of the columns in ``NAMED``.

    A record to which a key does not matter, as sampling to a task alone, or that does not know it,
    as an older one the rows, belongs to every part that it fits. No part has two values of a key,
    and every record is in one.
    """
    frame = pd.DataFrame({key: _values(table, protocols, key) for key in keys}, index=table.index)
    distinct = frame.drop_duplicates().to_dict("records")
    without_gaps = [{key: v for key, v in row.items() if not pd.isna(v)} for row in distinct]
    parts: list[dict[str, str]] = []
    # Those that say most come first, so that one that says less finds all the parts that it fits.
    for values in sorted(without_gaps, key=len, reverse=True):
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


def keys_of(requested: Sequence[str], differing: Sequence[str]) -> list[str]:
    """Return the keys that ``--by`` names: as they are, or every differing one of a config group.

    Raises:
        UserError: for one in which the records do not differ.
    """
    keys: list[str] = []
    for name in requested:
        named = [name] if name in NAMED else [key for key in differing if is_under(key, (name,))]
        if not named:
            choices = ", ".join([*differing, *NAMED])
            raise UserError(f"Change --by: the records do not differ in '{name}'; try {choices}.")
        keys += named
    return list(dict.fromkeys(keys))


def sentence(different: dict[str, list[str]], shown: int = 4) -> str:
    """Put differences into words: ``heads (a, b) and sampling.name (size, uniform)``."""
    words = []
    for key, values in different.items():
        more = f", {len(values) - shown} more" if len(values) > shown else ""
        texts = [short_revisions(str(value)) for value in values[:shown]]
        words.append(f"{key} ({', '.join(texts)}{more})")
    return " and ".join(words[:shown]) + (" and more" if len(words) > shown else "")
