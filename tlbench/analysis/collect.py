"""Collects the records of any number of studies into one pandas table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tlbench.analysis.learned import as_words, cosines_as_words, label_entropy
from tlbench.analysis.protocol import Protocols
from tlbench.errors import UserError
from tlbench.plan.leak import Leak
from tlbench.records.definitions import (
    NONE,
    definitions,
    label_of,
    method_label_of,
    method_of,
    strategy_of,
    support_of,
    tuned_values,
)
from tlbench.records.garbage import no_collections
from tlbench.records.groups import groups_as_words
from tlbench.records.older import by_present_rules, with_later_keys
from tlbench.records.packing import sources
from tlbench.records.places import short, shown_file, without_places
from tlbench.records.predictions import Saved
from tlbench.records.record import CONDITIONS, ResultRecord, device_hours_of, passes_of
from tlbench.tasks.kinds import CORRELATIONS

PAIR = ["target", "support", "target_rows", "support_rows"]
SETTING = ["strategy", "method", *PAIR]  # what the seeds of one mean share
EXPERIMENT = [*SETTING, "seed"]
_COPIED = (
    "study",
    "encoder",
    "seed",
    "status",
    "dev_rows",
    "steps",
    "instances",
    "steps_reused",
    "instances_reused",
    "training_seconds",
    "device_hours",
    "device_hours_reused",
    "outcome",
    "reason",
    "collapsed",
    "asked",
    "finished",
)

_ABSENT: dict[str, Any] = {  # what a column says that a table does not have
    "method": NONE,
    "support": NONE,
    "target_rows": 0,
    "support_rows": 0,
    "metric": "accuracy",
    "kind": "",
    "positive": 1,
    "majority_score": float("nan"),
    "instances": float("nan"),
    "collapsed": False,
    "dev_rows": 0,
    "test_score": float("nan"),
    "test_digest": "",
    "test_rows": 0,
    "asked": None,
    "finished": None,
    "stages": "",
    "curve": "",
    "label_entropy": float("nan"),
    "cosines": "",
    "selection": "dev",
    "leaks": "",
    "groups": "",
    "store": "",
    "file": "",
}


@dataclass(frozen=True)
class Records:
    """What was found in the studies.

    Attributes:
        table: one row a record. Scores are fractions; ``target_rows`` and ``support_rows`` are
            the rows trained on, ``support`` is ``-`` for none, ``all`` for all tasks together,
            else the names joined by ``+``. ``method`` is ``-`` where it has no effect; ``label``
            and ``method_label`` are how people read the strategy and the method. ``protocol`` is
            a number in ``protocols``.
            ``outcome``, ``reason`` and ``collapsed`` are those of ``by_present_rules``, and
            ``taken_as`` is what an older record's undefined correlation was taken as by them:
            ``collapsed``, ``one label``, or ``""`` where there is none.
            ``curve`` is how the target learned in the last stage, as words (see ``as_words``).
            ``cosines`` are those of the tasks' gradients (see ``cosines_as_words``).
            ``groups`` is what each group of the target scores (see ``groups_as_words``).
            ``tuned`` are the values that were chosen for the candidate, in words.
            ``label_entropy`` is that of the target's train rows, from 0 for one class to 1 for
            classes of the same size; NaN of a regression, and where it is not known.
            ``selection`` is the config's, ``score_dev`` and ``score_cross_fit`` are the scores
            under two of them as far as they are known, and ``dev_read_by`` is what keeps the latter
            from being clean.
        protocols: what the records' configs say, experiments' own choices aside.
        problems: one sentence for every file that could not be read.
        packed: by file, the predictions that were packed with records.
        has_paths: whether what is written of them may tell of this machine; see
            ``tlbench.records.places``. ``file``, ``store`` and ``wandb_entity`` of the table always
            do, for analyses read what is there.
    """

    table: pd.DataFrame
    protocols: Protocols
    problems: list[str] = field(default_factory=list)
    packed: dict[str, Saved] = field(default_factory=dict)
    has_paths: bool = False

    @property
    def published(self) -> pd.DataFrame:
        """The table as it is written."""
        if self.has_paths:
            return self.table
        table = self.table
        return table.assign(
            file=table.file.map(shown_file), store=table.store.map(short), wandb_entity=""
        )


@no_collections()
def collect(folders: Iterable[str | Path], paths: bool = False) -> Records:
    """Read every record below the folders, and in files of packed records.

    Args:
        paths: whether what is written of them may tell of this machine.

    Raises:
        UserError: if one is not there, or none of them holds a record that can be read.
    """
    studies = [Path(folder) for folder in folders]
    protocols, rows, problems, packed = Protocols(), [], [], {}
    for file, read, predictions in sources(studies):
        try:
            rows.append(_row(read(), file, protocols, paths))
            if predictions is not None:
                packed[file] = predictions
        except UserError as error:
            problems.append(str(error))
        except (
            TypeError,
            ValueError,
            AttributeError,
            LookupError,
            ArithmeticError,
        ) as error:  # JSON of the right keys, but not ours
            problems.append(f"{file} is not a result record ({error}); remove it.")
    if not rows:
        unreadable = f" ({len(problems)} files can't be read: {problems[0]})" if problems else ""
        shown = ", ".join(map(str, studies))
        raise UserError(f"Give another study: there are no result records in {shown}{unreadable}.")
    table = pd.DataFrame(rows).astype({"collapsed": "boolean"})
    return Records(table, protocols, problems, packed, paths)


def table_of(records: "Records | pd.DataFrame | Iterable[ResultRecord]") -> pd.DataFrame:
    """Return records as a table that has all columns which an analysis of scores reads.

    Raises:
        UserError: if a table lacks a column that says which run a row is.
    """
    if isinstance(records, Records):
        return records.table
    if not isinstance(records, pd.DataFrame):
        protocols = Protocols()
        rows = [_row(record, "", protocols, False) for record in records]
        return pd.DataFrame(rows).astype({"collapsed": "boolean"})
    if missing := {"target", "strategy", "seed", "score"} - {*records.columns}:
        raise UserError(f"The table of records has no column {', '.join(sorted(missing))}.")
    outcome = records.score.notna().map({True: "scored", False: "diverged"})
    passes = records.get("instances", float("nan"))  # each row once, where a table has no passes
    given = {"outcome": outcome, "passes": passes, **_ABSENT}
    return records.assign(**{name: v for name, v in given.items() if name not in records.columns})


def done(table: pd.DataFrame) -> pd.DataFrame:
    """Return the records that have a score, one for each experiment."""
    return _once(table[table.outcome == "scored"])


def trained(table: pd.DataFrame) -> pd.DataFrame:
    """Return the records of what was trained, with a score or without, one for each experiment."""
    return _once(table[table.outcome != "failed"])


def _once(table: pd.DataFrame) -> pd.DataFrame:
    # Folders of several studies may repeat an experiment; a seed that counts twice would look like
    # two that agree.
    return table.drop_duplicates(EXPERIMENT, keep="last")


def _row(as_read: ResultRecord, file: str, protocols: Protocols, paths: bool) -> dict[str, Any]:
    record = with_later_keys(by_present_rules(as_read))
    published = record if paths else without_places(record)
    rows, last = _sizes(record), record.stages[-1] if record.stages else {}
    return {
        **{name: getattr(published, name) for name in _COPIED},
        "strategy": strategy_of(record),
        "label": label_of(record),
        "method": method_of(record),
        "method_label": method_label_of(record),
        "tuned": tuned_values(record),
        "target": str(record.target_task),
        "support": support_of(record),
        "target_rows": int(rows.get(record.target_task, 0)),
        "support_rows": sum(n for task, n in rows.items() if task != record.target_task),
        "score": _number(record.score),
        "selection": record.config.get("selection"),
        **{
            f"score_{name}": _number(record.scores_by_selection.get(name))
            for name in ("dev", "cross_fit")
        },
        "dev_read_by": ", ".join(record.dev_read_by),
        "leaks": "; ".join(str(Leak(**leak)) for leak in record.leaks or ()),
        "majority_score": _number(record.majority_score),
        "test_score": _number((record.test or {}).get("score")),
        "test_digest": (record.test or {}).get("digest", ""),
        "test_rows": (record.test or {}).get("rows", 0),
        "metric": "+".join(record.config.get("target_task", {}).get("score", ())),
        "kind": record.config.get("target_task", {}).get("kind") or "",
        "positive": _positive(record),
        "groups": groups_as_words(record),
        "taken_as": _taken_as(as_read, record),
        "stages": " ".join(record.stage_keys),
        "passes": passes_of({"passes": record.passes, "instances": record.instances}),
        "passes_reused": passes_of(
            {"passes": record.passes_reused, "instances": record.instances_reused}
        ),
        "stage_steps": " ".join(str(stage["steps"]) for stage in record.stages),
        "stage_passes": " ".join(str(passes_of(stage)) for stage in record.stages),
        "stage_device_hours": " ".join(f"{device_hours_of(one):.6f}" for one in record.stages),
        **{name: _of_stages(record, name) for name in ("versions", "git_revision", "device")},
        "curve": as_words(last.get("curve"), record.target_task),
        "label_entropy": label_entropy(_label_counts(record)),
        "cosines": cosines_as_words(
            [epoch for stage in record.stages for epoch in stage.get("cosines") or ()]
        ),
        "conditions": _together([_conditions(s) for s in record.stages if s["train_rows"]]),
        **_places(record.config),
        "protocol": protocols.number(published),
        "file": file,
    }


def _label_counts(record: ResultRecord) -> dict[str, float]:
    """Return by class the target's rows in the last stage; nothing of a regression.

    There is nothing either where an older record does not say.
    """
    classes = definitions(record).get(record.target_task, {}).get("labels")
    data = record.stages[-1].get("data") if record.stages and classes else None
    return dict(((data or {}).get(record.target_task) or {}).get("labels") or {})


def _positive(record: ResultRecord) -> int:
    """Return of which class a score is that is of one of two: a place in the target's labels."""
    task = record.config.get("target_task", {})
    positive, labels = task.get("positive"), task.get("labels") or []
    return labels.index(positive) if positive in labels else 1


def _places(config: dict[str, Any]) -> dict[str, str]:
    """Return where a record's stages are kept and where its job was logged."""
    wandb = (config.get("logger") or {}).get("wandb") or {}
    return {
        "store": config.get("store_dir", ""),
        "wandb_project": wandb.get("project") or "",
        "wandb_entity": wandb.get("entity") or "",
    }


def _sizes(record: ResultRecord) -> dict[str, int]:
    """Return by task how many different rows were trained on.

    What two stages draw of a task is nested, so it is the most that one of them has.
    """
    sizes = dict(record.train_rows) if not record.stages else {}
    for stage in record.stages:
        for task, rows in stage["train_rows"].items():
            sizes[task] = max(rows, sizes.get(task, 0))
    return sizes


def _of_stages(record: ResultRecord, name: str) -> str | None:
    """Return the values of all stages, each once; of an older record the last stage's."""
    values = [stage.get(name) for stage in record.stages] or [getattr(record, name)]
    return _together([_words(value) if isinstance(value, dict) else value for value in values])


def _conditions(stage: dict[str, Any]) -> str:
    """Return what may have changed bits of a stage's training, its device aside."""
    return _words({name: stage.get(name) for name in CONDITIONS if name != "device"})


def _words(values: dict[str, Any]) -> str:
    # Sorted, as packed records have them and those of a job do not.
    return " ".join(
        f"{name}={value}" for name, value in sorted(values.items()) if value is not None
    )


def _together(values: Sequence[str | None]) -> str | None:
    """Join different values, each once; None for nothing."""
    return " | ".join(dict.fromkeys(value for value in values if value)) or None


def _taken_as(older: ResultRecord, record: ResultRecord) -> str:
    if older.collapsed is not None or older.status != "done":
        return ""
    if record.collapsed:
        return "collapsed"
    return "one label" if {*older.undefined} & {*CORRELATIONS} else ""


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
