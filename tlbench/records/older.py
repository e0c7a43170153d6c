"""What older result records would say today.

Before records had ``collapsed``, a correlation (Matthews', Pearson's, Spearman's) of a constant
prediction counted as not defined, as one with labels that are all the same still does.
"""

from dataclasses import replace

from tlbench.records.definitions import definitions
from tlbench.records.record import ResultRecord
from tlbench.tasks.metric_names import CORRELATIONS

# What versions before a key did is known, so that it is no unknown value of the key.
_BEFORE = {"sampling": {"last_batch": "keep"}}


def with_later_keys(record: ResultRecord) -> ResultRecord:
    """The record with config keys of later versions, at what its own version did."""
    config = {
        group: _BEFORE.get(group, {}) | values if isinstance(values, dict) else values
        for group, values in record.config.items()
    }
    return replace(record, config=config)


def by_present_rules(record: ResultRecord) -> ResultRecord:
    """The record, or of an older one what it would say today; what it can't tell stays unknown.

    A correlation that is not defined is taken as that of a constant prediction: it is 0, and the
    run has collapsed. It stays not defined where the other numbers say that the labels are
    constant. A correlation that is defined says that nothing was.
    """
    correlations = [name for name in record.metrics if name in CORRELATIONS]
    if record.status != "done" or record.collapsed is not None or not correlations:
        return record
    lacking = [name for name in correlations if record.metrics[name] is None]
    if lacking and _has_one_label(record):
        return record
    metrics = record.metrics | dict.fromkeys(lacking, 0.0)
    names = definitions(record).get(record.target_task, {}).get("score", [])
    return replace(
        record,
        score=_mean(metrics, names) if record.score is None else record.score,
        majority_score=_majority(record, names),
        metrics=metrics,
        undefined=[name for name in record.undefined if name not in lacking],
        collapsed=bool(lacking),
    )


def _has_one_label(record: ResultRecord) -> bool:
    """Whether the numbers tell that all labels of dev are the same.

    They do where one prediction for all rows is right for all, or of two classes wrong for all.
    """
    accuracy = record.metrics.get("accuracy")
    labels = definitions(record).get(record.target_task, {}).get("labels")
    all_right = 1 in (accuracy, record.majority_score) or record.metrics.get("mse") == 0
    return record.dev_rows == 1 or all_right or (accuracy == 0 and len(labels or ()) == 2)


def _mean(metrics: dict[str, float | None], names: list[str]) -> float | None:
    values = [value for name in names if (value := metrics.get(name)) is not None]
    return sum(values) / len(names) if names and len(values) == len(names) else None


def _majority(record: ResultRecord, names: list[str]) -> float | None:
    """The majority class's score, which is a constant prediction's."""
    all_are = bool(names) and set(names) <= set(CORRELATIONS)
    return 0.0 if record.majority_score is None and all_are else record.majority_score
