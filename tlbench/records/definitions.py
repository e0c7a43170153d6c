"""What a record says of its tasks and its strategy: how each is defined, and of which rows.

A name may mean other things in other runs: of an edited file, another folder, another metric. Where
the files lay says nothing of that.
"""

from typing import Any

from tlbench.config.identity import is_under
from tlbench.records.record import ResultRecord

PREFIX = "tasks"
PLANS = "strategies"
_SHORT = 8  # digits of a digest


def definitions(record: ResultRecord) -> dict[str, dict[str, Any]]:
    """By name the definitions of the record's tasks, as far as it holds them."""
    config, names = record.config, (record.target_task, *record.support_tasks)
    asked = [config.get(key) or {} for key in ("target_task", "support_task")]
    return {task["name"]: task for task in asked if task.get("name") in names} | record.tasks


def task_keys(record: ResultRecord) -> dict[str, str]:
    """What must be the same of a task for scores to be of the same thing, under dotted keys.

    ``tasks.<name>.`` and ``labels``, ``score``, ``metrics``, or ``rows.<split>``: a digest. What a
    record does not know has no key, nor have rows that are generated from the run's own seed.
    """
    found = {}
    for name, task in definitions(record).items():
        place = f"{PREFIX}.{name}"
        if "labels" in task:
            found[f"{place}.labels"] = str(task["labels"])
        for key in ("score", "metrics"):
            if key in task:
                found[f"{place}.{key}"] = "+".join(sorted(task[key]))
        if not _follows_the_seed(task, record.seed):
            for split, digest in record.digests.get(name, {}).items():
                found[f"{place}.rows.{split}"] = digest[:_SHORT]
    if record.dev_rows:
        found[f"{PREFIX}.{record.target_task}.dev_rows"] = str(record.dev_rows)
    return found


def plan_key(record: ResultRecord) -> dict[str, str]:
    """The function that the record's strategy is, under a key of that strategy's name."""
    plan = record.config.get("strategy", {}).get("plan")
    return {f"{PLANS}.{record.strategy}.plan": str(plan)} if plan else {}


def is_of_single(key: str, target: str) -> bool:
    """Whether a key of a task or a strategy is one that ``single`` on a target has too."""
    own = (f"{PREFIX}.{target}", f"{PLANS}.single")
    return is_under(key, own) or not is_under(key, (PREFIX, PLANS))


def _follows_the_seed(task: dict[str, Any], seed: int) -> bool:
    source = task.get("source") or {}
    return source.get("format") == "generated" and source.get("seed") == seed
