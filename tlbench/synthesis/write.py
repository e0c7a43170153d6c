"""Makes the stage that writes rows: a language model is asked until there are enough."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from pytorch_lightning.loggers import Logger

from tlbench.data.written import TEXTS, write_rows
from tlbench.plan import writer_files
from tlbench.plan.rows_stage import RowsStage
from tlbench.progress import doing
from tlbench.store.manifest import ROWS_FILE
from tlbench.synthesis.filters import LEAKED, REASONS
from tlbench.synthesis.making import Making
from tlbench.training import ddp
from tlbench.training.conditions import using_threads
from tlbench.training.context import StageContext

log = logging.getLogger(__name__)

FILTERED_FILE = "filtered.csv"  # beside the rows: every other answer, and why it is none


def write_stage(run: StageContext, loggers: Sequence[Logger] | None) -> dict[str, Any]:
    """Write the rows of a support into the stage's folder, with what was filtered out beside.

    Returns:
        What ``stage.json`` holds beside the stage's fingerprint: ``rows``, how many were written
        and kept, and left out for which reason; and what it took.

    Raises:
        UserError: if the model can't be read, or too few of its answers are rows.
    """
    del loggers  # there are no curves
    stage = run.stage
    assert isinstance(stage, RowsStage)
    trainer = stage.config.trainer
    writer_files.check_unchanged(stage.options.model, stage.identity)
    device = torch.device("cuda" if ddp.on_cuda(trainer) else "cpu")
    with using_threads(trainer.threads), doing(stage.title, "row", sum(stage.counts.values())):
        making = Making(run, device)
        making.go_on()
        threads = torch.get_num_threads()
    write_rows(run.folder / ROWS_FILE, ("label", *TEXTS[: making.texts]), rows_of(making))
    columns = ("reason", "label", "written")
    write_rows(run.folder / FILTERED_FILE, columns, left_out_of(making))
    making.saved.remove()
    found = summary(making)
    log.info("  %s: %s", stage.title, in_words(found))
    return {
        "tasks": {},
        "rows": found,
        "seconds": round(sum(one.seconds for one in making.tries), 2),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": threads,
    }


def rows_of(making: Making) -> Iterator[tuple[str, ...]]:
    """Yield label and texts of the rows, labels in turn, so that any part has as many of each."""
    for number in range(max(map(len, making.kept))):
        for label, rows in zip(making.labels, making.kept, strict=True):
            if number < len(rows):
                yield label, *rows[number]


def left_out_of(making: Making) -> Iterator[tuple[str, str, str]]:
    """Yield reason, label and text of every answer that is no row, in the order of writing."""
    for one in making.tries:
        for answer in one.answers:
            if answer.reason is not None:
                yield answer.reason, making.labels[one.label], answer.written


def summary(making: Making) -> dict[str, Any]:
    """Return how many answers were written and kept, and left out for which reason."""
    answers = [answer for one in making.tries for answer in one.answers]
    reasons = Counter(answer.reason for answer in answers)
    return {
        "written": len(answers),
        "kept": reasons[None],
        "left_out": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
        "tokens": sum(one.tokens for one in making.tries),
    }


def in_words(found: dict[str, Any]) -> str:
    """Return a summary as people read it; whether any were rows of dev or test it always says."""
    counts = {LEAKED: 0, **found["left_out"]}
    listed = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
    return f"{found['kept']:,} rows of {found['written']:,} answers ({listed})"
