"""Records of ``single`` with configs that can be planned again."""

from tests.support.experiments import Compose
from tests.support.planted import record
from tlbench.config.keys import recorded
from tlbench.config.remembered import Remembered
from tlbench.plan.build import build
from tlbench.records.record import ResultRecord

TASKS = ("cola", "mnli", "rte", "sst2")


def plannable_study(compose: Compose) -> list[ResultRecord]:
    """Return a record of every task, trained alone, of generated rows and the tiny encoder."""
    records = []
    for task in TASKS:
        experiment = build(compose("strategy=single", f"target_task={task}"))
        config = recorded(experiment.config, Remembered())
        made = record("single", task, None, {task: 100}, 0, 0.7, config=config)
        made.encoder_identity = experiment.config.encoder.identity
        made.digests = {task: experiment.target.digests}
        records.append(made)
    return records
