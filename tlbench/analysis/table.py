"""The records of any number of studies, as one pandas table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tlbench.analysis.protocol import Protocols
from tlbench.analysis.records import sources
from tlbench.errors import UserError
from tlbench.metric_names import CORRELATIONS
from tlbench.older_records import by_present_rules
from tlbench.results import ResultRecord

EXPERIMENT = ["strategy", "target", "support", "target_rows", "support_rows", "seed"]
_COPIED = (
    "study", "strategy", "encoder", "seed", "status", "dev_rows", "steps", "instances",
    "steps_reused", "instances_reused", "training_seconds", "device", "git_revision", "outcome",
    "reason", "collapsed",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
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


def collect(folders: Iterable[str | Path]) -> Study:
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
    return Study(table, protocols, problems)


def done(table: pd.DataFrame) -> pd.DataFrame:
    """The records that have a score, one for each experiment."""
    return _once(table[table.outcome == "scored"])


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """The records of what was trained, with a score or without, one for each experiment."""
    return _once(table[table.outcome != "failed"])


def _once(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates(EXPERIMENT, keep="last")


def _row(found: ResultRecord, file: str, protocols: Protocols) -> dict[str, Any]:
    record = by_present_rules(found)
    config, rows = record.config, record.train_rows
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
        "versions": " ".join(f"{name}={found}" for name, found in record.versions.items()),
        "store": config.get("store_dir", ""),
        "wandb_project": config.get("logger", {}).get("project") or "",
        "wandb_entity": config.get("logger", {}).get("entity") or "",
        "protocol": protocols.number(record),
        "file": file,
    }


def _taken_as(older: ResultRecord, record: ResultRecord) -> str:
    if older.collapsed is not None or older.status != "done":
        return ""
    if record.collapsed:
        return "collapsed"
    return "one label" if {*older.undefined} & {*CORRELATIONS} else ""


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
