"""What the stages of a job log, and which of a curve's values sums it up."""

from collections.abc import Sequence

from tlbench.config.schema import Task
from tlbench.plan.stage import Stage
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.more_metrics import metrics_of
from tlbench.tasks.worst_group import base_of

STEP = "trainer/global_step"  # Lightning's name for the optimizer steps of a stage


def role_of(stage: Stage, plan: Sequence[Stage]) -> str:
    """Return the first word of what a stage logs.

    ``target`` for the plan's last stage, ``support`` (or ``support1``, ``support2``, ... in the
    order of training) for those that it starts from, ``rows`` for one without a task of its own,
    else ``single/<tasks>``.
    """
    final = plan[-1]
    if stage.key == final.key:
        return "target"
    chain = [start.key for start in final.starts()]
    if stage.key in chain:
        return "support" if len(chain) == 1 else f"support{chain.index(stage.key) + 1}"
    return f"single/{'+'.join(stage.tasks)}" if stage.tasks else "rows"


def best_of_curves(stage: Stage, role: str) -> dict[str, str]:
    """Return by name of the curves that are measured at evaluations their best: max or min."""
    held_out = ("held_out",) if stage.config.selection == "held_out" else ()
    best: dict[str, str] = {}
    for subset in stage.subsets:
        for split in (*held_out, *subset.dev_count):
            of_split = f"{role}/{subset.name}/{split}"
            best |= {f"{of_split}/{name}": how for name, how in _best(subset.task).items()}
    return best


def _best(task: Task) -> dict[str, str]:
    metrics = metrics_of(kind_of(task))
    less_is_better = {name: metrics[base_of(name)].less_is_better for name in task.metrics}
    of_metrics = {name: "min" if less else "max" for name, less in less_is_better.items()}
    return {**of_metrics, "score": "max", "loss": "min"}
