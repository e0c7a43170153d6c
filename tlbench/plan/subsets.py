"""Which rows of a task an experiment uses: how many there are, and how many of them are drawn."""

from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np

from tlbench.config.schema import SubsampleSize, Task
from tlbench.data.groups import check_groups
from tlbench.data.sources import final_split, splits
from tlbench.data.split import Split
from tlbench.data.subsampling import count_rows, draw
from tlbench.errors import UserError
from tlbench.plan import rest
from tlbench.plan.experiment import Experiment
from tlbench.plan.rows_stage import written
from tlbench.plan.stage import TaskSubset
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.label_columns import has_label_columns, label_column
from tlbench.tasks.unlabelled import is_rest


def written_subset(alone: Experiment, task: Task) -> TaskSubset:
    """Return the rows of a support that a stage writes for the target.

    Args:
        alone: the experiment without supports.
    """
    stage = written(alone, task)
    sizes, by_name = alone.config.subsample_size, stage.splits()
    rows = dict(stage.counts)
    own_key = f"subsample_size.per_task.{task.name}"
    available = count_rows(sizes.per_task.get(task.name), rows["train"], task.name, own_key)
    key, of_target = "subsample_size.support", alone.target.count
    return TaskSubset(
        task=stage.task,
        digests={name: split.key for name, split in by_name.items()},
        rows=rows,
        count=count_rows(sizes.support, available, task.name, key, of_target),
        dev_count={"dev": min(rows["dev"], sizes.dev or rows["dev"])},
        seed=sizes.seed,
        written_by=stage,
    )


def subset_of(
    sizes: SubsampleSize,
    cache_dir: str,
    task: Task,
    size: Any,
    key: str,
    target: TaskSubset | None = None,
) -> TaskSubset:
    """Return the rows of a task that an experiment uses.

    Args:
        sizes: of the config.
        size: the value of it that stands at ``key``.
        target: for a support.

    Raises:
        UserError: for a size or rows that there are not.
    """
    by_name = splits(task)
    rows = {name: _row_count(split, cache_dir) for name, split in by_name.items()}
    for split in by_name.values() if has_label_columns(task) else ():
        _check_labelled(split, cache_dir)
    digests = {name: split.key for name, split in by_name.items()}
    whose, skip = task.name, 0  # rows are drawn, and how many of them before
    if is_rest(task):
        before = rest.target_of_rest(task, digests["train"], target, cache_dir)
        whose, skip = before.name, before.count
    own_key = f"subsample_size.per_task.{whose}"
    available = count_rows(sizes.per_task.get(whose), rows["train"], whose, own_key)
    if target and available == skip:
        raise rest.none_left(target)
    most = sizes.dev
    dev_count = {n: min(rows[n], most or rows[n]) for n in rows if n != "train"}
    if task.groups is not None:
        of_splits = {name: split.load(cache_dir) for name, split in by_name.items()}
        used = {n: draw(count, rows[n], sizes.seed) for n, count in dev_count.items()}
        check_groups(task, of_splits, used)
    return TaskSubset(
        task=task,
        digests=digests,
        rows=rows,
        count=count_rows(size, available - skip, task.name, key, target.count if target else None),
        dev_count=dev_count,
        seed=sizes.seed,
        skip=skip,
    )


def with_test(target: TaskSubset, cache_dir: str) -> TaskSubset:
    """Return the target's rows with those of ``source.test``, if it has any.

    Raises:
        UserError: naming ``source.test``, if they can't be read or have no labels.
    """
    task = target.task
    try:
        split = final_split(task)
        if split is None:
            return target
        count = _count_labelled(split, cache_dir)
        _check_test_groups(split, cache_dir)
        return replace(target, test_digest=split.key, test_rows=count)
    except UserError as error:
        if "source.test" in str(error):
            raise
        raise UserError(
            f"Change source.test of task '{task.name}' to rows with labels, or to null: {error}"
        ) from error


def _check_test_groups(test: Split, cache_dir: str) -> None:
    task = test.task
    if task.groups is None:
        return
    dev = splits(task)["dev"].load(cache_dir)
    rows = test.load(cache_dir)
    check_groups(task, {"dev": dev, "test": rows}, {"test": np.arange(len(rows))})


def _count_labelled(split: Split, cache_dir: str) -> int:
    # A class can't be -1; of a regression it would pass for a number.
    is_number = kind_of(split.task).label_length is None
    if split.key not in _counted and is_number and _labels(split, cache_dir) == [-1.0]:
        raise UserError("all have the label -1, which stands for one that is withheld.")
    return _row_count(split, cache_dir)


def _check_labelled(split: Split, cache_dir: str) -> None:
    """Refuse a column of labels, of several, that is empty in all rows of a split."""
    labels = split.load(cache_dir)["label"]
    if all(isnan(label[0] if isinstance(label, list) else label) for label in labels):
        raise UserError(
            f"Change source.label of task '{split.task.name}': column '{label_column(split.task)}' "
            f"is empty in all {len(labels):,} rows of {split.name}."
        )


def _labels(split: Split, cache_dir: str) -> list[Any]:
    return list(split.load(cache_dir).unique("label"))


_counted: dict[str, int] = {}


def _row_count(split: Split, cache_dir: str) -> int:
    if split.key not in _counted:
        _counted[split.key] = len(split.load(cache_dir))
    return _counted[split.key]
