"""How a stage learned: the dev scores of its tasks at every evaluation, as records keep them."""

import math
from collections.abc import Mapping
from typing import Any

_DIGITS = 5  # of a score: finer than one row of any dev split of 100,000


def dev_curve(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the curve of a finished stage; None where nothing was evaluated, as of a merge.

    Args:
        manifest: its ``stage.json``.

    Returns:
        ``steps``, of the evaluations; ``scores``, by task as many scores on dev, fractions of five
        digits, None where there is none; and ``chosen``, by task the step of the weights that its
        score is of.
    """
    history = manifest.get("history") or []
    scores = {
        task: [_score(evaluation["tasks"].get(task, {})) for evaluation in history]
        for task in manifest["tasks"]
    }
    scores = {task: each for task, each in scores.items() if any(s is not None for s in each)}
    if not scores:
        return None
    return {
        "steps": [evaluation["step"] for evaluation in history],
        "scores": scores,
        "chosen": {task: manifest["tasks"][task]["step"] for task in scores},
    }


def _score(splits: Mapping[str, Mapping[str, Any]]) -> float | None:
    score = splits.get("dev", {}).get("score")
    return None if score is None or not math.isfinite(score) else round(score, _DIGITS)
