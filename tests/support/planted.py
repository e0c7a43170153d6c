"""Records with a planted truth: known means, effects, noise and sizes."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlbench.records.record import ResultRecord

GLUE = {
    "mnli": 392702,
    "qqp": 363846,
    "qnli": 104743,
    "sst2": 67349,
    "cola": 8551,
    "stsb": 5749,
    "mrpc": 3668,
    "rte": 2490,
    "wnli": 635,
}
SEEDS = (42, 544460, 801760, 428404, 257803)
STRATEGIES = ("single", "stilts", "mtl", "mtl_all")
ABOUT: dict[str, dict[str, Any]] = {
    "single": {
        "label": "single",
        "supports": "none",
        "without_effect": ["sampling", "method", "heads", "subsample_size.support"],
    },
    "stilts": {"label": "STILTs", "supports": "one", "without_effect": ["sampling", "method"]},
    "mtl": {"label": "MTL", "supports": "one", "without_effect": []},
    "mtl_all": {"label": "MTL-ALL", "supports": "all", "without_effect": []},
}
Effect = Callable[[str, str, int, int], float]


def config(strategy: str, target: str, method: str = "sum", **changes: Any) -> dict[str, Any]:
    """A config as records have it; of another strategy one that takes a support."""
    about = ABOUT.get(strategy, {"label": strategy, "supports": "one", "without_effect": []})
    base = {
        "encoder": {"name": "planted", "max_length": 128},
        "strategy": {"name": strategy, "tasks": [], **about},
        "target_task": {"name": target, "score": ["accuracy"], "labels": ["no", "yes"]},
        "method": {"name": method, "label": method},
        "sampling": {"name": "size", "epoch": "total"},
        "optim": {"lr": 2e-5},
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
        "heads": "per_task",
        "selection": "dev",
        "store_dir": "multirun/.store",
    }
    return base | changes


def record(
    strategy: str,
    target: str,
    support: str | None,
    rows: dict[str, int],
    seed: int,
    score: float,
    **changes: Any,
) -> ResultRecord:
    """A record; ``support`` may be several tasks, joined by ``+``."""
    others = [task for task in rows if task != target]
    supports = {"single": [], "mtl_all": others}.get(strategy, str(support).split("+"))
    used = {t: rows[t] for t in (target, *supports)}
    # As a real key does, it says what is trained on what: rows stand for all the rest.
    stages = ["+".join(f"{t}{used[t]}" for t in sorted(used)) + f"-{seed}"]
    if strategy == "stilts":
        stages = [
            f"{support}{sum(rows[s] for s in supports)}-{seed}",
            f"{target}{rows[target]}<-{stages[0]}",
        ]
    given = {
        "versions": {"torch": "2"},
        "config": config(strategy, target),
        "majority_score": 0.5,
        "dev_rows": 277,
        "device": "cpu",
        "study": "planted",
        "stage_keys": stages,
    }
    costs = {"steps": 3 * sum(used.values()) // 32, "instances": 3 * sum(used.values())}
    return ResultRecord(
        strategy=strategy,
        target_task=target,
        support_tasks=supports,
        encoder="planted",
        seed=seed,
        score=score,
        train_rows=used,
        **{**given, **costs, **changes},
    )


def grid(
    tasks: dict[str, int],
    effect: Effect,
    noise: float = 0.005,
    seeds: Sequence[int] = SEEDS,
    strategies: Sequence[str] = STRATEGIES,
    random: int = 0,
    gain: float = 0.02,
    method: str = "sum",
) -> list[ResultRecord]:
    """All pairs, under one method, each with normal noise of its own.

    STILTs scores 0.7 + gain, as any other strategy but MTL, which scores that +
    ``effect(target, support, their rows)``; single scores 0.7, MTL-ALL 0.69.
    """
    draw = np.random.default_rng(random)
    records = []
    for target, rows in tasks.items():
        for strategy in strategies:
            pair = strategy not in ("single", "mtl_all")
            for support in [s for s in tasks if s != target] if pair else [None]:
                mean = {"single": 0.7, "mtl_all": 0.69}.get(strategy, 0.7 + gain)
                if strategy == "mtl" and support:
                    mean += effect(target, support, rows, tasks[support])
                for seed in seeds:
                    score = mean + noise * float(draw.standard_normal())
                    under = config(strategy, target, method)
                    one = record(strategy, target, support, tasks, seed, score, config=under)
                    records.append(one)
    return records


def heuristic_holds(target: str, support: str, rows: int, support_rows: int) -> float:
    """MTL better by 2 points per tenfold size of the support, worse where it is smaller."""
    return 0.02 * float(np.log10(support_rows / rows))


def none(*_: object) -> float:
    return 0.0


def write(records: Iterable[ResultRecord], folder: Path) -> Path:
    """Write records as a study's job folders."""
    for number, one in enumerate(records):
        one.write(folder / f"{one.target_task}-{one.strategy}-{number}")
    return folder
