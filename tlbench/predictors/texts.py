"""How alike the texts of a study's tasks are: its records say which rows, in which encoder."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tlbench.analysis.collect import done
from tlbench.console import say
from tlbench.errors import UserError
from tlbench.predictors.similarity import text_similarity
from tlbench.records.definitions import BASELINE
from tlbench.records.packing import sources
from tlbench.records.planned import planned
from tlbench.records.record import ResultRecord

if TYPE_CHECKING:
    from tlbench.plan.experiment import Experiment


def text_similarities(
    studies: Sequence[Path],
    table: pd.DataFrame,
    overrides: Sequence[str] = (),
    trust: bool = False,
) -> dict[tuple[str, str], float]:
    """Return how alike the texts of every two tasks are that were trained alone.

    That is the cosine of the mean token embeddings of their train rows in the encoder as it was
    pretrained: a forward of at most ``tlbench.training.features.ROWS`` rows of each task.

    Args:
        studies: the folders and packed files of the table.
        table: their records, as ``collect`` gives them.
        overrides: as ``planned`` takes them.
        trust: whether records may name code from anywhere, as configs may.

    Returns:
        By target and support, the same for both directions.

    Raises:
        UserError: if rows or encoder are not there, or tasks were trained from other encoders.
    """
    experiments = {}
    for record in _trained_alone(studies, table):
        experiments[record.target_task] = planned(record, overrides, trust)
        _say_of_other_rows(record, experiments[record.target_task])
    _check_one_encoder(experiments)
    from tlbench.training.features import row_features  # torch

    means = {
        task: row_features(one.stage([one.target]), one.target).mean
        for task, one in experiments.items()
    }
    return {
        (target, support): text_similarity(of_target, of_support)
        for target, of_target in means.items()
        for support, of_support in means.items()
        if target != support
    }


def _trained_alone(studies: Sequence[Path], table: pd.DataFrame) -> Iterator[ResultRecord]:
    """Yield a record of ``single`` of every task."""
    single = done(table)
    single = single[single.strategy == BASELINE].drop_duplicates("target", keep="last")
    files, tasks = {*single.file}, {*single.target}
    for source in sources(studies):
        if source.name in files:
            record = source.read()
            if record.strategy == BASELINE and record.target_task in tasks:
                tasks.remove(record.target_task)
                yield record


def _say_of_other_rows(record: ResultRecord, experiment: "Experiment") -> None:
    then, now = record.digests.get(record.target_task, {}), experiment.target.digests
    if then and then.get("train") != now.get("train"):
        say(f"{record.target_task}: its train rows here are not known to be those of the study")


def _check_one_encoder(experiments: "dict[str, Experiment]") -> None:
    by_encoder = {str(one.config.encoder): task for task, one in experiments.items()}
    if len(by_encoder) > 1:
        some = ", ".join(sorted(by_encoder.values()))
        raise UserError(
            f"Give studies of one encoder, or leave out --texts: {some} were trained from others."
        )
