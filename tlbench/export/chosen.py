"""Which finished stage is exported: a record's, or that of what a study's verdict names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from tlbench.analysis.advice import Advice
from tlbench.analysis.candidates import scored_runs
from tlbench.analysis.collect import collect
from tlbench.analysis.saved import StoredPredictions
from tlbench.analysis.study import analyse, of_one_protocol
from tlbench.config.schema import Task
from tlbench.config.validation import checked
from tlbench.console import points
from tlbench.errors import UserError
from tlbench.records.predictions import store_folder
from tlbench.records.record import RECORD_FILE, ResultRecord, read_record
from tlbench.records.trust import check_trusted_task
from tlbench.store.store import Store
from tlbench.tasks.base import with_threshold


@dataclass(frozen=True)
class Chosen:
    """What is exported: of a record's last stage the weights that are best for a task.

    Attributes:
        file: the record's.
        task: the target, or another task of the stage.
        how: in a sentence, how it was chosen among a study's runs; empty for a record.
        advice: what the study says of the target; None for a record.
        mixed: of a study whose records are of several protocols, which of them was looked at.
        trust: whether the record may name code from anywhere.
    """

    record: ResultRecord
    file: Path
    task: Task
    how: str = ""
    advice: Advice | None = None
    mixed: tuple[str, ...] = ()
    trust: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known of the choice before anything is done with the model."""
        return (*self.mixed, *(self.advice.warnings if self.advice else ()))

    @property
    def key(self) -> str:
        """The stage's."""
        return self.record.stage_keys[-1]

    def as_scored(self, entry: Mapping[str, Any]) -> "Chosen":
        """Return the same with the threshold that held-out rows chose, if they were to.

        Args:
            entry: what the stage's manifest says of the task.
        """
        return replace(self, task=with_threshold(self.task, entry.get("threshold")))

    @property
    def store(self) -> Store:
        """The store that has the stage.

        Raises:
            UserError: if it is gone.
        """
        store_dir = str(self.record.config.get("store_dir", ""))
        folder = store_folder(store_dir, str(self.file))
        if folder is None:
            raise UserError(
                f"Give a record whose store is there: {self.file} says {store_dir or 'none'}."
            )
        return Store(folder)


def of_record(path: Path, task: str | None = None, trust: bool = False) -> Chosen:
    """Choose a record's last stage.

    Args:
        path: a ``result.json``, or the folder that it is in.
        task: whose weights and head; None for the target.
        trust: whether the record may name code from anywhere.

    Raises:
        UserError: if there is no such record, it is of no training that came to a good end, its
            last stage does not train the task, or it needs ``trust``.
    """
    file = path / RECORD_FILE if path.is_dir() else path
    record = read_record(file)
    if record.status != "done" or not record.stage_keys:
        raise UserError(f"Give another record: {file} is {record.status}: {record.reason}")
    name = task or record.target_task
    last = record.stages[-1]["train_rows"] if record.stages else {record.target_task: 0}
    if name not in last:
        raise UserError(
            f"Change --task: '{name}' is none of the tasks of the last stage ({', '.join(last)})."
        )
    if name not in record.tasks:
        raise UserError(f"Give a newer record: {file} holds no definition of '{name}'.")
    if not trust:
        check_trusted_task(record.tasks[name], "record")
    definition = checked(Task, OmegaConf.create(record.tasks[name]), f"tasks.{name}")
    return Chosen(record, file, definition, trust=trust)


def of_study(
    folder: Path,
    target: str | None,
    seed: int | None = None,
    task: str | None = None,
    trust: bool = False,
) -> Chosen:
    """Choose what a study's verdict names for a target: of its seeds the best by dev.

    Args:
        folder: the study's.
        target: which; None if it has one.
        seed: the run of another seed.
        task, trust: as of ``of_record``.

    Raises:
        UserError: if the study has no such target or seed, or none of its runs has a score.
    """
    records = collect([folder])
    part, mixed = of_one_protocol(records.table, records.protocols)
    predictions = StoredPredictions(records.table, records.packed)
    analysis = analyse(part, predictions=predictions)
    advice = _advice(analysis.advice, target)
    best = advice.verdict.best
    if best is None:
        raise UserError(f"Change --target: no run of {advice.target} has a score.")
    found = scored_runs(analysis.table, advice.target, advice.target_rows, best.key)
    runs = found.sort_values("score", ascending=False, kind="stable")
    run = runs.iloc[0] if seed is None else _of_seed(runs, seed)
    how = f"{advice.do} is the best guess for {advice.target}; {_which(run, runs, seed)}."
    chosen = of_record(Path(run.file), task, trust)
    return replace(chosen, how=how, advice=advice, mixed=tuple(mixed))


def _advice(advices: list[Advice], target: str | None) -> Advice:
    """Return the advice on a target, at the largest of its sizes."""
    targets = dict.fromkeys(one.target for one in advices)
    if target is None and len(targets) == 1:
        (target,) = targets
    chosen = [one for one in advices if one.target == target]
    if not chosen:
        said = "Add --target" if target is None else "Change --target"
        raise UserError(f"{said}: the study has {', '.join(targets)}.")
    return max(chosen, key=lambda one: one.target_rows)


def _of_seed(runs: pd.DataFrame, seed: int) -> pd.Series:
    found = runs[runs.seed == seed]
    if found.empty:
        seeds = ", ".join(map(str, sorted(runs.seed)))
        raise UserError(f"Change --seed: the best guess has a score of the seeds {seeds}.")
    return found.iloc[0]


def _which(run: pd.Series, runs: pd.DataFrame, seed: int | None) -> str:
    """Return which of a candidate's runs it is, and that the best of several looks too good."""
    score, mean = points(run.score), points(runs.score.mean())
    if len(runs) == 1:
        return f"it has one seed, {run.seed}, with {score} on dev"
    if seed is not None:
        return f"this is seed {run.seed} of {len(runs)}, with {score} on dev (mean {mean})"
    return (
        f"of its {len(runs)} seeds {run.seed} is the best on dev, {score}; expect their mean, "
        f"{mean}, as the best of several looks better than it is"
    )
