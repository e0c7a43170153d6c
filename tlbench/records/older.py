"""Brings older result records to what they would say today.

Before records had ``collapsed``, a correlation (Matthews', Pearson's, Spearman's) of a constant
prediction counted as not defined, as one with labels that are all the same still does.
"""

from dataclasses import replace
from typing import Any

from tlbench.records.definitions import definitions
from tlbench.records.record import ResultRecord
from tlbench.tasks.kinds import CORRELATIONS

# What versions before a key did is known, so that it is no unknown value of the key.
_BEFORE: dict[str, dict[str, Any]] = {
    "sampling": {"last_batch": "keep"},
    "optim": {"lr_heads": 1e-3, "l2_sp": None},
}
_BEFORE_AT_THE_TOP = {"trainable": "all"}
# What strategies say of themselves now was written into the code then.
_STRATEGIES: dict[str, dict[str, Any]] = {
    "single": {
        "label": "single",
        "without_effect": ["sampling", "method", "heads", "subsample_size.support"],
    },
    "stilts": {"label": "STILTs", "without_effect": ["sampling", "method"]},
    "mtl": {"label": "MTL", "without_effect": []},
    "mtl_all": {"label": "MTL-ALL", "without_effect": []},
}
_MOVED = ("tlbench.strategies.", "tlbench.plan.strategies.")


def with_later_keys(record: ResultRecord) -> ResultRecord:
    """Return the record with the config of later versions, at what its own version did.

    A config without any key, as of a job that failed before it was composed, stays as it is.
    """
    if not record.config:
        return record
    config = {
        group: _BEFORE[group] | values if group in _BEFORE and isinstance(values, dict) else values
        for group, values in (_BEFORE_AT_THE_TOP | _with_method(record.config)).items()
    }
    if "project" in (config.get("logger") or {}):
        config["logger"] = {"wandb": config["logger"]}
    config["strategy"] = _described(record.strategy, config.get("strategy") or {})
    return replace(record, config=config)


def _with_method(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config with the group ``method`` in the place of the word ``loss``."""
    if "loss" not in config or "method" in config:
        return config
    word = config["loss"]
    target = f"tlbench.methods.{word}.{str(word).capitalize()}"
    method = {"name": word, "label": word, "_target_": target}
    return {
        ("method" if group == "loss" else group): (method if group == "loss" else values)
        for group, values in config.items()
    }


def _described(name: str, strategy: dict[str, Any]) -> dict[str, Any]:
    """Return a strategy's config with what older ones do not say of it."""
    moved = {}
    if str(strategy.get("plan")).startswith(_MOVED[0]):
        moved = {"plan": _MOVED[1] + strategy["plan"].removeprefix(_MOVED[0])}
    return _STRATEGIES.get(name, {"label": name, "without_effect": []}) | strategy | moved


def by_present_rules(record: ResultRecord) -> ResultRecord:
    """Return the record as today's rules read it; what an older one can't tell stays unknown.

    A correlation that is not defined is taken as that of a constant prediction: it is 0, and the
    run has collapsed. It stays not defined where the other numbers say that the labels are
    constant. A correlation that is defined says that nothing was.
    """
    correlations = [name for name in record.metrics if name in CORRELATIONS]
    if record.status != "done" or record.collapsed is not None or not correlations:
        return record
    undefined = [name for name in correlations if record.metrics[name] is None]
    if undefined and _has_one_label(record):
        return record
    metrics = record.metrics | dict.fromkeys(undefined, 0.0)
    names = definitions(record).get(record.target_task, {}).get("score", [])
    return replace(
        record,
        score=_mean(metrics, names) if record.score is None else record.score,
        majority_score=_majority(record, names),
        metrics=metrics,
        undefined=[name for name in record.undefined if name not in undefined],
        collapsed=bool(undefined),
    )


def _has_one_label(record: ResultRecord) -> bool:
    """Return whether the numbers tell that all labels of dev are the same.

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
    """Return the majority class's score, which is a constant prediction's."""
    all_are = bool(names) and set(names) <= set(CORRELATIONS)
    return 0.0 if record.majority_score is None and all_are else record.majority_score
