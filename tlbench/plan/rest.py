"""The rest of a target's train rows: those that it did not draw, as rows without labels.

Draws are nested, so that they are what a larger draw of the target would have had next.
"""

import numpy as np

from tlbench.config.schema import Task
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.leakage import digests_of
from tlbench.plan.stage import TaskSubset


def target_of_rest(
    task: Task, digest: str, target: TaskSubset | None, cache_dir: str
) -> TaskSubset:
    """Return the target that draws its rows before a task which has the rest of them.

    Args:
        task: of ``source.unlabelled=rest``.
        digest: of its train rows.
        target: of the experiment; None where it is the task itself.
        cache_dir: where digests of rows are kept.

    Raises:
        UserError: if the target draws none of the same rows.
    """
    where = f"source.unlabelled of task '{task.name}'"
    if target is None:
        raise UserError(f"Change {where} to null: rest is what a target leaves to a support.")
    if digest != target.digests["train"]:
        own, others = (
            digests_of(splits(one)["train"], cache_dir)["exact"] for one in (task, target.task)
        )
        # By their texts: of other labels and kinds of tasks they are the same rows all the same.
        if not np.array_equal(own, others):
            raise UserError(
                f"Change {where} to null, or to a file: rest is of the train rows of "
                f"'{target.name}', and its source has others."
            )
    return target


def none_left(target: TaskSubset) -> UserError:
    """Return a sentence about a target that leaves none of its rows."""
    return UserError(
        f"Change subsample_size.target, or source.unlabelled to a file: '{target.name}' draws all "
        f"of its {target.count:,} train rows, so that there is no rest."
    )
