import random
import re
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from tests.support.sweeps import MakeSweeper
from tlbench.config.identity import unresolved
from tlbench.config.overrides import options
from tlbench.config.search_path import CONF_DIR
from tlbench.config.validation import parse_config
from tlbench.errors import UserError
from tlbench.sweep.compose import Combination, Composer, combine

OTHERS = ("boolq", "cb", "copa", "multirc", "wic", "wsc", "xnli")  # that this suite has not
# Those that are made of the target follow it; none of them is a target.
OF_TARGET = sorted(file.stem for file in (CONF_DIR / "support_task").glob("*.yaml"))
GRID = (
    f"target_task=glob(*,exclude=[{','.join(OTHERS)}])",
    f"support_task=glob(*,exclude=[{','.join([*OF_TARGET, *OTHERS])}])",
    "strategy=glob(*)",
    "seed=range(14)",
)


def combinations(make_sweeper: MakeSweeper, *arguments: str) -> list[Combination]:
    sweeper, config, overrides = make_sweeper(*arguments)
    composer = Composer(sweeper.context.config_loader, config)
    return list(combine(sweeper.axes(overrides), composer))


def check(make_sweeper: MakeSweeper, some: list[Combination], *arguments: str) -> None:
    """Compare with what Hydra composes for a job."""
    sweeper, master, _ = make_sweeper(*arguments)
    for combination in some:
        cfg = sweeper.context.config_loader.load_sweep_config(master, list(combination.overrides))
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        assert combination.plain == unresolved(cfg), combination.overrides
        assert combination.config == parse_config(cfg), combination.overrides


@pytest.mark.slow
def test_ten_thousand_combinations_are_what_hydra_composes(make_sweeper: MakeSweeper) -> None:
    found = combinations(make_sweeper, *GRID)
    tasks, strategies = len(options("target_task")) - len(OTHERS), len(options("strategy"))
    assert len(found) == tasks * tasks * strategies * 14 > 10_000
    check(make_sweeper, random.Random(0).sample(found, 50), *GRID)


@pytest.mark.slow
@pytest.mark.parametrize(
    "axes",
    [
        ("suite.seed=0,1", "target_task=rte,cola"),  # the tasks' sources follow the suite
        ("target_task=rte,qnli", "support_task=mnli,mnli_relabelled,mlm,unlabelled", "seed=1,2"),
        ("suite.seed='${seed}'", "seed=0,1", "target_task=rte,cola"),
        ("subsample_size=full,half", "subsample_size.target=10,20"),  # one key, two axes
        ("sampling={cap: 1},{temperature: 2.0}", "sampling.cap=5", "seed=1,2"),
    ],
)
def test_axes_that_change_each_others_keys(make_sweeper: MakeSweeper, axes: list[str]) -> None:
    found = combinations(make_sweeper, *axes)
    assert len(found) > 1
    check(make_sweeper, found, *axes)


@pytest.mark.slow
def test_axes_of_experiments(make_sweeper: MakeSweeper, tmp_path: Path) -> None:
    """They change keys of every root; one of them is of a folder that is not copied."""
    mine = tmp_path / "my_conf" / "experiment" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("# @package _global_\nseed: 3\noptim: {lr: 0.5}\n")
    axes = (
        f"hydra.searchpath=[file://{mine.parents[1]}]",
        "experiment=paper,mine",
        "target_task=rte,cola",
        "encoder=tiny,minilm",
    )
    composed = combinations(make_sweeper, *axes)
    assert [c.config.seed for c in composed] == [42] * 4 + [3] * 4
    check(make_sweeper, composed, *axes)


@pytest.mark.parametrize("value", ["${batch_size}", "${..batch_size}", "${oc.select:batch_size}"])
def test_an_option_that_follows_another_axis(
    make_sweeper: MakeSweeper, tmp_path: Path, value: str
) -> None:
    """Though it is not the first one, with which the options of the other axis are composed."""
    mine = tmp_path / "my_conf" / "sampling" / "mine.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text(f"defaults: [temperature, _self_]\ncap: {value}\n")
    folder = f"hydra.searchpath=[file://{mine.parents[1]}]"
    axes = (folder, "sampling=size,mine", "batch_size=16,32", "seed=0,1")
    composed = combinations(make_sweeper, *axes)
    found = [(c.config.batch_size, c.config.sampling.cap) for c in composed]
    assert found == [(16, None)] * 2 + [(32, None)] * 2 + [(16, 16)] * 2 + [(32, 32)] * 2
    check(make_sweeper, composed, *axes)


@pytest.mark.parametrize("axis", ["experiment=quickstart,paper", "experiment=paper,smoke"])
def test_a_grid_is_not_lost_beside_another_experiment(make_sweeper: MakeSweeper, axis: str) -> None:
    with pytest.raises(UserError, match=r"Change experiment=(quickstart|smoke): .*hydra\.sweeper"):
        combinations(make_sweeper, axis)


def test_a_wrong_key_or_value_ends_the_sweep_in_one_sentence(
    make_sweeper: MakeSweeper,
) -> None:
    with pytest.raises(UserError, match=r"Change strategy\.more"):
        combinations(make_sweeper, "+strategy.more=1,2")
    with pytest.raises(UserError, match=r"Change optim\.lr: "):
        combinations(make_sweeper, "optim.lr=1e-4,fast")
    for nothing in ("seed=range(0)", "seed=range(0,3,0)", "target_task=glob(zz*)"):
        with pytest.raises(UserError, match=f"Change {re.escape(nothing)}: "):
            combinations(make_sweeper, nothing)


@pytest.mark.slow
def test_a_value_on_the_command_line_replaces_a_grids_axis(make_sweeper: MakeSweeper) -> None:
    assert len(combinations(make_sweeper, "experiment=smoke")) == 72
    found = combinations(make_sweeper, "experiment=smoke", "seed=7", "strategy=single")
    assert len(found) == 9
    assert {c.config.seed for c in found} == {7}
