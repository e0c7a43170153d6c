"""What can be done with a study, said at the end of its sweep."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from tlbench.records.record import ResultRecord


def next_steps(records: Sequence[ResultRecord], folder: Path) -> list[str]:
    """Return a line for each command that a reader of the study's table may want next.

    None if no experiment has a score.
    """
    scored = [record for record in records if record.outcome == "scored"]
    if not scored:
        return []
    study, target = shlex.quote(str(folder)), scored[0].target_task
    steps = {
        f"tlbench-report {study}": "what to do, and how sure, in report/index.html",
        f"tlbench-export {study} --target {target} --out my_model": "the model of the best guess",
    }
    if (scored[0].config.get("suite") or {}).get("name") == "generated":
        own = "your own data: docs/start/own-task.md"
        steps["tlbench --config-dir my_conf target_task=mine"] = own
    width = max(map(len, steps))
    return [f"{command:{width}}  {what}" for command, what in steps.items()]
