"""The candidates of a race: which planned experiments are their runs, and what those cost."""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from tlbench.analysis.batches import Key
from tlbench.analysis.candidates import CANDIDATE
from tlbench.analysis.collect import collect
from tlbench.analysis.row_vectors import SIZE
from tlbench.config.identity import CHOICES, flatten, identity_of
from tlbench.config.keys import is_under
from tlbench.plan.missing import Missing
from tlbench.plan.schedule import trained_rows
from tlbench.plan.stage import Stage
from tlbench.records.definitions import BASELINE, is_varied
from tlbench.records.record import RECORD_FILE
from tlbench.sweep.plan import PlannedExperiment, runs_by_choice

Place = tuple[str, int, Key]  # name and rows of a target, and a candidate for it


@dataclass(frozen=True)
class RaceCandidate:
    """One choice for a target, with a planned experiment for every seed.

    Attributes:
        runs: in the order of their seeds.
    """

    runs: tuple[PlannedExperiment, ...]

    @property
    def target(self) -> str:
        return self.runs[0].config.target_task.name

    @property
    def is_baseline(self) -> bool:
        config = self.runs[0].config
        return config.strategy.name == BASELINE and not is_varied(config)

    @property
    def support(self) -> str | None:
        """Its only support; None where it has none, or several."""
        experiment = self.runs[0].experiment
        supports = experiment.supports if experiment else ()
        return supports[0].name if len(supports) == 1 else None

    def next_run(self, begun: Container[str]) -> PlannedExperiment | None:
        """Return the run of the lowest-numbered seed that no round has begun; None after all."""
        return next((run for run in self.runs if run.folder.name not in begun), None)


def candidates_of(experiments: Iterable[PlannedExperiment]) -> list[RaceCandidate]:
    """Return the candidates of a plan, the baseline of every target before its others."""
    found = [RaceCandidate(tuple(runs)) for runs in runs_by_choice(experiments).values()]
    return sorted(found, key=lambda one: not one.is_baseline)


def protocol_of(candidates: Iterable[RaceCandidate]) -> dict[str, str]:
    """Return what candidates have in common and choose nothing of, as texts by dotted key.

    Places are left out: a race goes on where its files lie elsewhere.
    """
    values: dict[str, set[str]] = defaultdict(set)
    for one in candidates:
        for key, value in flatten(identity_of(asdict(one.runs[0].config))):
            if not (is_under(key, (*CHOICES, *_PLACES)) or Path(str(value)).is_absolute()):
                values[key].add(str(value))
    return {key: text for key, texts in values.items() if len(texts) == 1 for text in texts}


_PLACES = ("suite.root", "suite.sources")


def table_of_race(
    folder: Path, candidates: Sequence[RaceCandidate], begun: Container[str]
) -> pd.DataFrame | None:
    """Return the records of a race; None before the first.

    Those of candidates that the command no longer names are among them: they were tried, and count.

    Args:
        folder: its own.
        begun: the folders' names of the experiments that it has begun.
    """
    files = [_record_file(run) for one in candidates for run in one.runs]
    if not any(Path(file).exists() for file in files):
        return None
    table = collect([folder.resolve()]).table
    is_named = table.file.isin(files)
    choices = pd.MultiIndex.from_frame(table[[*SIZE, *CANDIDATE]])
    was_begun = table.file.map(lambda file: Path(file).parent.name in begun)
    is_other = ~choices.isin(choices[is_named]) & table.target.isin(table.target[is_named])
    return table[is_named | (was_begun & is_other)]


def _record_file(run: PlannedExperiment) -> str:
    return str((run.folder / RECORD_FILE).resolve())


def keys_of(table: pd.DataFrame, candidates: Sequence[RaceCandidate]) -> dict[Place, RaceCandidate]:
    """Return by target and key, as analyses have them, the candidates that have a record."""
    by_file = table.set_index("file")
    found: dict[Place, RaceCandidate] = {}
    for one in candidates:
        for file in map(_record_file, one.runs):
            if file in by_file.index:
                target, rows, *key = by_file.loc[file, [*SIZE, *CANDIDATE]]
                found[str(target), int(rows), tuple(key)] = one
    return found


def affordable(
    runs: Iterable[PlannedExperiment], left: int, launched: frozenset[str]
) -> list[PlannedExperiment]:
    """Return the runs, in their order, whose new stages a budget has room for.

    Args:
        left: how many stages it has left.
        launched: stages that are paid for already.
    """
    chosen: list[PlannedExperiment] = []
    paid = set(launched)
    for run in runs:
        new = {stage.key for stage in new_stages([run])} - paid
        if len(paid) - len(launched) + len(new) <= left:
            paid |= new
            chosen.append(run)
    return chosen


def new_stages(runs: Iterable[PlannedExperiment]) -> list[Stage]:
    """Return the trainings that the store lacks of runs; those that are there are free.

    So are merges, which train nothing.
    """
    missing = Missing()
    for run in runs:
        if run.stages and not run.is_done:
            missing.add(run.stages)
    return [stage for stage in missing.stages.values() if stage.trains]


def price(stages: Iterable[Stage]) -> int:
    """Return the rows that stages train."""
    return sum(map(trained_rows, stages))
