"""The records of any number of studies, as one pandas table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tlbench.analysis.protocol import Protocols
from tlbench.errors import UserError
from tlbench.records.older import by_present_rules, with_later_keys
from tlbench.records.packing import sources
from tlbench.records.record import CONDITIONS, ResultRecord
from tlbench.tasks.metric_names import CORRELATIONS

EXPERIMENT = ["strategy", "target", "support", "target_rows", "support_rows", "seed"]
_COPIED = (
    "study",
    "strategy",
    "encoder",
    "seed",
    "status",
    "dev_rows",
    "steps",
    "instances",
    "steps_reused",
    "instances_reused",
    "training_seconds",
    "outcome",
    "reason",
    "collapsed",
)


@dataclass(frozen=True)
class Records:
    """What was found in the studies.

    Attributes:
        table: one row a record. Scores are fractions; ``target_rows`` and ``support_rows`` are
            the rows trained on, ``support`` is ``-`` for none and ``all`` for all tasks together,
            ``protocol`` is a number in ``protocols``.
            ``outcome``, ``reason`` and ``collapsed`` are those of ``by_present_rules``, and
            ``taken_as`` is what an older record's undefined correlation was taken as by them:
            ``collapsed``, ``one label``, or ``""`` where there is none.
        protocols: what the records' configs say, experiments' own choices aside.
        problems: one sentence for every file that could not be read.
    """

    table: pd.DataFrame
    protocols: Protocols
    problems: list[str] = field(default_factory=list)


def collect(folders: Iterable[str | Path]) -> Records:
    """Every record below the folders, and in files of packed records.

    Raises:
        UserError: if one is not there, or none of them holds a record that can be read.
    """
    studies = [Path(folder) for folder in folders]
    protocols, rows, problems = Protocols(), [], []
    for file, read in sources(studies):
        try:
            rows.append(_row(read(), file, protocols))
        except UserError as error:
            problems.append(str(error))
        except (TypeError, ValueError, AttributeError) as error:
            problems.append(f"{file} is not a result record ({error}); remove it.")
    if not rows:
        unreadable = f" ({len(problems)} files can't be read: {problems[0]})" if problems else ""
        shown = ", ".join(map(str, studies))
        raise UserError(f"Change STUDY: there are no result records in {shown}{unreadable}.")
    table = pd.DataFrame(rows).astype({"collapsed": "boolean"})
    return Records(table, protocols, problems)


def done(table: pd.DataFrame) -> pd.DataFrame:
    """The records that have a score, one for each experiment."""
    return _once(table[table.outcome == "scored"])


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """The records of what was trained, with a score or without, one for each experiment."""
    return _once(table[table.outcome != "failed"])


def _once(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates(EXPERIMENT, keep="last")


def _row(found: ResultRecord, file: str, protocols: Protocols) -> dict[str, Any]:
    record = with_later_keys(by_present_rules(found))
    config, rows = record.config, _sizes(record)
    everything = config.get("strategy", {}).get("supports") == "all"
    if everything or record.strategy == "mtl_all":
        support = "all"
    else:
        support = "+".join(record.support_tasks) or "-"
    return {
        **{name: getattr(record, name) for name in _COPIED},
        "target": str(record.target_task),
        "support": support,
        "target_rows": int(rows.get(record.target_task, 0)),
        "support_rows": sum(n for task, n in rows.items() if task != record.target_task),
        "score": _number(record.score),
        "majority_score": _number(record.majority_score),
        "metric": "+".join(config.get("target_task", {}).get("score", ())),
        "taken_as": _taken_as(found, record),
        "stages": " ".join(record.stage_keys),
        **{f"stage_{cost}": _each(record, cost) for cost in ("steps", "instances")},
        **{name: _of_stages(record, name) for name in ("versions", "git_revision", "device")},
        "conditions": _together([_conditions(stage) for stage in record.stages]),
        "store": config.get("store_dir", ""),
        "wandb_project": config.get("logger", {}).get("project") or "",
        "wandb_entity": config.get("logger", {}).get("entity") or "",
        "protocol": protocols.number(record),
        "file": file,
    }


def _sizes(record: ResultRecord) -> dict[str, int]:
    """By task how many different rows were trained on: what two stages draw of it is nested."""
    sizes = dict(record.train_rows) if not record.stages else {}
    for stage in record.stages:
        for task, rows in stage["train_rows"].items():
            sizes[task] = max(rows, sizes.get(task, 0))
    return sizes


def _each(record: ResultRecord, cost: str) -> str:
    """What every stage cost, in their order; empty where an older record does not say."""
    return " ".join(str(stage[cost]) for stage in record.stages)


def _of_stages(record: ResultRecord, name: str) -> str | None:
    """The values of all stages, each once; of an older record the last stage's."""
    values = [stage.get(name) for stage in record.stages] or [getattr(record, name)]
    return _together([_words(value) if isinstance(value, dict) else value for value in values])


def _conditions(stage: dict[str, Any]) -> str:
    """What may have changed bits of a stage, its device aside."""
    return _words({name: stage.get(name) for name in CONDITIONS if name != "device"})


def _words(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items() if value is not None)


def _together(values: Sequence[str | None]) -> str | None:
    """Different values, each once; None for nothing."""
    return " | ".join(dict.fromkeys(value for value in values if value)) or None


def _taken_as(older: ResultRecord, record: ResultRecord) -> str:
    if older.collapsed is not None or older.status != "done":
        return ""
    if record.collapsed:
        return "collapsed"
    return "one label" if {*older.undefined} & {*CORRELATIONS} else ""


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
