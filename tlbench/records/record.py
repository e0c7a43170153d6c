"""The result record: one flat JSON file per experiment."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from tlbench.errors import UserError
from tlbench.records.plausible import MOST_BYTES, check_plausible, read_json
from tlbench.store.integrity import set_aside, unseal, write_sealed
from tlbench.tasks.worst_group import is_worst

SCHEMA = 1
RECORD_FILE = "result.json"
TRIALS = "trials"  # the folder of a tuned study's trials, beside the study's own records
FAILED_STAGE_FILE = (
    "failed.json"  # of a job that trains a stage alone: it has no experiment to record
)
# Under which a stage was trained: they may change bits of it, and are in no key.
IN_EFFECT = (
    "device",
    "devices",
    "threads",
    "precision",
    "micro_batch_size",
    "micro_batch_tokens",
)
CONDITIONS = (*IN_EFFECT, "kernels", "resumed_under", "out_of_memory")


@dataclass
class ResultRecord:
    """What one experiment found.

    Attributes:
        status: ``done``, ``diverged`` (trained, to no use) or ``failed``; only a done one has a
            score, the others an ``error`` that says why not.
        score: the target's primary metric on dev under the config's ``selection``, a fraction; None
            where it is not defined. So are ``metrics`` and ``collapsed``.
        scores_by_selection: the score under each selection that the last stage answers: ``dev`` and
            ``cross_fit`` (None if its version had none), or ``held_out``; empty in older records.
        held_out_score: under ``selection=held_out`` the score that chose the weights, on rows held
            out of train; None under another, and in older records.
        threshold: that those rows chose for a multilabel target with ``threshold=held_out``.
        tuning: of a run whose values were tuned all that was tried, for it and for what it starts
            from: of (what was tuned), values, held_out_score (None of a trial that has diverged),
            stage (its key) and chosen; see ``hydra/sweeper=tuned``.
        dev_read_by: what all of the target's dev rows have decided beside the last choice, in
            words, so that a cross-fitted score is not clean; see ``tlbench.plan.cross_fit``.
        leaks: which of the target's dev and test rows are also rows that its experiment trains on:
            split, rows, task, exact, normalised, as ``tlbench.plan.leakage`` has them; None in
            records of before anybody looked.
        groups: of a target with ``groups``, by name what a group's rows are: ``rows``, how many,
            and their metrics, under the same selection; None of others.
        undefined: the metrics of a done one that are not defined, and None in ``metrics``.
        collapsed: whether a done one predicts the same for all dev rows of the target; None in
            records of before anybody looked, see ``tlbench.records.older``.
        majority_score: the same of always predicting the most frequent label of train.
        test: of a target with ``source.test``, what its best weights score on those rows, which
            chose nothing: score, metrics, majority_score, collapsed, rows and their digest; else
            None, as in older records and where the training has diverged.
        train_rows: by task, the rows trained on (less than drawn under selection=held_out), of all
            stages together: a task that two of them train counts twice.
        steps, instances: trained for this score, in whatever job.
        passes: how often a row of them went forward and backward through the encoder: once, or
            twice with ``perturb=sam``; None in records of before anything took two.
        steps_reused, instances_reused, passes_reused: those of them that were in the store already.
        stages: in the order of ``stage_keys``, what trained each and what it took: key, title,
            reused, steps, instances, seconds, train_rows, versions, git_revision, device, devices,
            threads, precision and micro-batches in effect, what its rows are (``data``, see
            ``tlbench.data.overview``), kernels, the conditions under which an interrupted one was
            begun (``resumed_under``), at which steps the device was out of memory, with the rows of
            a forward since then (``out_of_memory``), and the dev scores of its tasks at every
            evaluation (``curve``, see ``tlbench.records.curve``; absent of a merge, and in records
            of before there was any). Empty in older records.
        encoder_identity: what the encoder's files are: the hub's commit, or a digest of them.
        device, versions, git_revision: of the last stage.
        config: of the job, resolved; tasks: by name, the definition of each, which for the tasks
            of ``strategy.tasks`` is not in there.
        digests: by task and split, what the rows of the source are known by; empty in records of
            before there were any.
        asked, finished: when it was first asked for, by a sweep or a job, and when its score was
            first known: UTC, ISO 8601. None in older records.
        seconds: this job's wall time; training_seconds: of all stages, reused or not.
    """

    study: str
    strategy: str
    target_task: str
    support_tasks: list[str]
    encoder: str
    seed: int
    status: str = "done"
    score: float | None = None
    scores_by_selection: dict[str, float | None] = field(default_factory=dict)
    held_out_score: float | None = None
    threshold: float | None = None
    tuning: list[dict[str, Any]] = field(default_factory=list)
    dev_read_by: list[str] = field(default_factory=list)
    leaks: list[dict[str, Any]] | None = None
    majority_score: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    groups: dict[str, dict[str, float | None]] | None = None
    undefined: list[str] = field(default_factory=list)
    collapsed: bool | None = None
    train_rows: dict[str, int] = field(default_factory=dict)
    dev_rows: int = 0
    steps: int = 0
    instances: int = 0
    steps_reused: int = 0
    instances_reused: int = 0
    passes: int | None = None
    passes_reused: int | None = None
    seconds: float = 0.0
    training_seconds: float = 0.0
    device: str = ""
    stage_keys: list[str] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    encoder_identity: str | None = None
    git_revision: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    test: dict[str, Any] | None = None
    error: str | None = None
    asked: str | None = None
    finished: str | None = None
    schema: int = SCHEMA

    @property
    def outcome(self) -> str:
        """``scored``, or why there is no score: ``undefined``, ``diverged`` or ``failed``."""
        if self.status != "done":
            return self.status
        return "undefined" if self.score is None or math.isnan(self.score) else "scored"

    @property
    def device_hours(self) -> float:
        """Hours of training times devices, of all stages, reused or not."""
        hours = [device_hours_of(stage) for stage in self.stages]
        return sum(hours) if hours else self.training_seconds / 3600  # of a version with one device

    @property
    def device_hours_reused(self) -> float:
        return sum(device_hours_of(stage) for stage in self.stages if stage.get("reused"))

    @property
    def reason(self) -> str:
        """Why there is no score, in words; empty where there is one."""
        if self.outcome == "undefined":
            names = ", ".join(self.undefined) or "its metric"
            own = set(self.tasks.get(self.target_task, {}).get("more_metrics", ()))
            rows = "a half of dev" if self.config.get("selection") == "cross_fit" else "dev"
            if not own.isdisjoint(self.undefined):  # whatever its reason
                return f"{names} is not defined for {rows}"
            if all(map(is_worst, self.undefined)) and self.undefined:
                return f"{names} is not defined for the rows of one of the groups of {rows}"
            return f"{names} is not defined where all labels of {rows} are the same"
        return self.error or ""

    def write(self, folder: Path, name: str = RECORD_FILE) -> None:
        """Write the record; a reader sees the old one or the new one, never a part."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        if why := record_damage(file):
            set_aside(file, folder, why)
        write_sealed(file, jsonable(vars(self)), is_plain=True)


def passes_of(stage: Mapping[str, Any]) -> int:
    """Return how often rows went through the encoder; in stages of older versions each did once."""
    passes = stage.get("passes")
    return int(stage["instances"] if passes is None else passes)


def device_hours_of(stage: dict[str, Any]) -> float:
    """Return the hours that a stage of a record has trained, times its devices."""
    return float(stage.get("seconds") or 0) * (stage.get("devices") or 1) / 3600


def jsonable(value: Any) -> Any:
    """The same with None for numbers that JSON does not have, and no half characters in words."""
    text = json.dumps(value)
    if not _HALF_CHARACTER.search(text):
        return json.loads(text, parse_constant=lambda number: None)
    return _without_half_characters(value)


# As JSON escapes it; so it does the halves of a whole one, which need no care.
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def _without_half_characters(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            _without_half_characters(key): _without_half_characters(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_half_characters(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value


def read_record(file: Path) -> ResultRecord:
    """Read a record.

    Raises:
        UserError: if the file is no record, one of another schema, or has a value of a wrong type.
    """
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file} is not a result record: it has over {MOST_BYTES:,} bytes.")
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is not a result record ({error}); remove it.") from error
    return parse_record(text, str(file))


def parse_record(text: str, name: str) -> ResultRecord:
    """The record that a text holds; see ``read``.

    Args:
        name: what a person calls the text.
    """
    try:
        found = unseal(read_json(text))
        if found.get("schema") != SCHEMA:
            raise UserError(f"{name} is not a result record of schema {SCHEMA}; remove it.")
        # Half characters, which JSON can escape and UTF-8 can't say, are for pydantic to refuse.
        has_half = "\\ud" in text or "\\uD" in text
        record = _of_text()(text) if has_half else _of_plain()(found)
        check_plausible(record)
        return record
    except (ValueError, RecursionError) as error:
        reason = "; ".join(str(error).splitlines()[:3])
        raise UserError(f"{name} is not a result record ({reason}); remove it.") from error


def find_record(file: Path) -> ResultRecord | None:
    """A record; None if it is not there, or damaged: it is then written again."""
    try:
        return read_record(file) if file.exists() else None
    except UserError:
        return None


def record_damage(file: Path) -> str | None:
    """Why a record can't be read; None if it can, or is not there."""
    try:
        if file.exists():
            read_record(file)
    except UserError as error:
        return str(error)
    return None


@cache
def _of_text() -> Callable[[str], ResultRecord]:
    from pydantic import TypeAdapter  # a command that reads no record does without it

    adapter = TypeAdapter(ResultRecord)
    return lambda text: adapter.validate_json(text, strict=True)


@cache
def _of_plain() -> Callable[[dict[str, Any]], ResultRecord]:
    """Return the same of JSON that has been parsed already."""
    from typing import NotRequired

    from pydantic import TypeAdapter
    from typing_extensions import TypedDict

    hints = {
        one.name: one.type
        if one.default is one.default_factory is MISSING
        else NotRequired[one.type]
        for one in fields(ResultRecord)
    }
    make: Any = TypedDict  # a dataclass it would take from JSON's text alone
    adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(make("ResultRecord", hints))
    return lambda found: ResultRecord(**adapter.validate_python(found, strict=True))
