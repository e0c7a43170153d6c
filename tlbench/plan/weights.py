"""Of which tasks the stages of a plan keep the best weights: ``keep_weights`` and the graph say so.

``needed``: those that another stage of the plan starts from, and those of tasks that are trained
alone, which the next experiment may start from. ``all``: of every stage and task. ``none``: only
what another stage starts from. A list of tasks: of the last stage those too. Whatever it says, the
target's of the last stage are kept where there is a test split to score them on.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tlbench.errors import UserError
from tlbench.plan.final_scores import is_scored, tested
from tlbench.plan.stage import Stage

Tasks = frozenset[str]


def asked_for(stages: Sequence[Stage]) -> dict[str, Tasks]:
    """By stage key, the tasks whose best weights ``keep_weights`` itself asks for.

    They are made where the store lacks them, also of a stage that is finished otherwise.

    Args:
        stages: a plan, its last stage last.
    """
    last = stages[-1]
    keep = last.config.keep_weights
    if keep == "all":
        return {stage.key: Tasks(stage.tasks) for stage in stages}
    if isinstance(keep, str):
        return {}
    return {last.key: Tasks(keep) & Tasks(last.tasks)}


def wanted(stages: Sequence[Stage]) -> dict[str, Tasks]:
    """Return the same as ``asked_for``, and the target's weights while test rows are not scored.

    Args:
        stages: a plan, its last stage last.
    """
    by_key, last = asked_for(stages), stages[-1]
    subset = tested(last)
    if subset is not None and not is_scored(last):
        by_key[last.key] = by_key.get(last.key, Tasks()) | {subset.name}
    return by_key


def check_kept(last: Stage) -> None:
    """Refuse a list of tasks of which the last stage does not train one, and to keep too little.

    Raises:
        UserError: naming the task.
    """
    keep = last.config.keep_weights
    subset = tested(last)
    if keep == "none" and subset is not None:
        raise UserError(
            f"Change keep_weights, or source.test of task '{subset.name}' to null: test rows are "
            f"scored with the kept weights of the last stage, and keep_weights=none keeps none."
        )
    for task in () if isinstance(keep, str) else keep:
        if task not in last.tasks:
            raise UserError(
                f"Change keep_weights: '{task}' is none of the tasks of the last stage "
                f"({', '.join(last.tasks)})."
            )


def kept(plan: Sequence[Stage], last: Stage) -> Mapping[str, Tasks]:
    """By stage key, the tasks whose best weights a stage keeps if it is trained.

    Args:
        last: the stage to end with, of the plan.
    """
    by_key: dict[str, Tasks] = defaultdict(Tasks, asked_for(last.graph()))
    for stage in plan:
        for need in stage.needs:
            by_key[need.stage.key] |= Tasks(need.tasks)
        if stage.is_single and stage.config.keep_weights == "needed":
            by_key[stage.key] |= Tasks(stage.tasks)
    subset = tested(plan[-1])
    if subset is not None:
        by_key[plan[-1].key] |= {subset.name}
    return by_key
