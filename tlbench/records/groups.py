"""A record's groups in words, for tables."""

import json

from tlbench.records.record import ResultRecord
from tlbench.tasks.worst_group import WORST, base_of

ALL_ROWS, WORST_GROUP = "all rows", "worst group"


def groups_as_words(record: ResultRecord) -> str:
    """Return by group the metric that a record's score is of, or is the worst of; "" for none.

    As JSON; of a score of several metrics it is the first.
    """
    score = record.config.get("target_task", {}).get("score", ())
    if not record.groups or not score:
        return ""
    metric = base_of(score[0])
    return json.dumps(
        {
            ALL_ROWS: record.metrics.get(metric),
            WORST_GROUP: record.metrics.get(WORST + metric),
            **{name: group.get(metric) for name, group in record.groups.items()},
        }
    )
