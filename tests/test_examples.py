from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args, make_launch_sweep_entrypoint

from tests.support.experiments import Compose
from tlbench.config.overrides import check_choices
from tlbench.plan.build import build

FILE = Path(__file__).parents[1] / "examples" / "wandb_sweep.yaml"
SWEEP: dict[str, Any] = yaml.safe_load(FILE.read_text())
VALUES = {k: p.get("values", [p.get("value")]) for k, p in SWEEP["parameters"].items()}
GRID = [dict(zip(VALUES, values, strict=True)) for values in product(*VALUES.values())]


def overrides(combination: dict[str, Any]) -> list[str]:
    """The arguments that W&B's agent makes of one combination."""
    args = {"args": {key: {"value": value} for key, value in combination.items()}}
    command = list(SWEEP["command"])
    start, made = make_launch_sweep_entrypoint(create_sweep_command_args(args), command)
    assert start == ["${env}", "${program}"]
    return list(made)


@pytest.mark.parametrize("combination", GRID[::7], ids=lambda c: " ".join(map(str, c.values())))
def test_each_job_of_the_wandb_sweep_composes_and_plans(
    combination: dict[str, Any], compose: Compose
) -> None:
    words = overrides(combination)
    check_choices(words)
    experiment = build(compose(*words))
    strategy, seed = combination["strategy"], combination["seed"]
    assert experiment.title.startswith(f"{strategy} {combination['target_task']}<-")
    assert experiment.config.seed == seed
    assert len(experiment.plan()) == (2 if strategy == "stilts" else 1)


def test_the_wandb_sweep_has_the_summarys_score_and_calls_tlbench() -> None:
    assert len(GRID) == 40
    assert SWEEP["metric"] == {"name": "score", "goal": "maximize"}
    assert SWEEP["program"] == "tlbench"
