"""Verdicts as they are found, without the runs behind them."""

from typing import Any

from tlbench.analysis.advice import Advice
from tlbench.analysis.judged import Candidate
from tlbench.analysis.names import Labels
from tlbench.analysis.verdicts import Verdict

LABELS = Labels({"single": "single", "stilts": "STILTs", "mtl": "MTL"}, {})


def candidate(strategy: str = "stilts", support: str = "mnli", **changes: Any) -> Candidate:
    """A candidate with five seeds; ``single`` where that is the strategy."""
    is_single = strategy == "single"
    given: dict[str, Any] = {
        "strategy": strategy,
        "method": "-",
        "support": "-" if is_single else support,
        "support_rows": 0 if is_single else 1000,
        "seeds": 5,
        "without_score": 0,
        "collapsed": 0,
        "batch": 0,
        "look": 5,
        "score": 0.7,
        "cost": 300.0 if is_single else 12_900.0,
    }
    if is_single:
        given |= {"gain": 0.0, "shrunk": 0.0}
    return Candidate(**(given | changes))


def advice(*candidates: Candidate, best: int | None = 0, **changes: Any) -> Advice:
    """The advice on rte with these candidates, of which the best guess is at ``best``."""
    given: dict[str, Any] = {
        "target": "rte",
        "target_rows": 300,
        "metric": "accuracy",
        "rows": 277,
        "level": 0.9,
        "candidates": candidates,
        "best": None if best is None else candidates[best],
        "majority": 0.5,
        "beats_chance": True,
    }
    return Advice(Verdict(**(given | changes)), LABELS)
