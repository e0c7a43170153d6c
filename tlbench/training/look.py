"""Says what the rows of a stage's tasks are, before it trains on them."""

import logging
from typing import Any

from tlbench.data.groups import counts_of, group_lines, small_groups
from tlbench.data.overview import lines, overview, warnings
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.training.datamodule import MultiTaskDataModule

log = logging.getLogger(__name__)


def look(data: MultiTaskDataModule) -> dict[str, dict[str, Any]]:
    """Log two lines a task and what should be looked at; return the overviews by task.

    Args:
        data: set up.
    """
    seen = {split.task.name: seen_of(data, split) for split in data.drawn}
    for task, found in seen.items():
        for line in lines(task, "train", found):
            log.info("  %s", line)
        for line in warnings(task, "train", found):
            log.warning("  %s", line)
    for split in data.evaluated:
        if split.split in ("dev", "held_out"):  # others choose nothing
            _look_at_groups(split)
    return seen


def _look_at_groups(split: TokenizedSplit) -> None:
    """Log how many rows of a split that is scored each group has, where there are groups."""
    name, counts = split.task.name, counts_of(split.groups)
    for line in group_lines(name, split.split, counts):
        log.info("  %s", line)
    for line in small_groups(name, split.split, counts):
        log.warning("  %s", line)


def seen_of(data: MultiTaskDataModule, split: TokenizedSplit) -> dict[str, Any]:
    """Return the overview of the rows of a split."""
    cache_dir = data.config.cache_dir
    name = "train" if split.split == "held_out" else split.split
    (subset,) = (one for one in data.stage.subsets if one.name == split.task.name)
    rows = subset.splits()[name].load(cache_dir)
    return overview(rows, split, data.tokenizer, cache_dir)
