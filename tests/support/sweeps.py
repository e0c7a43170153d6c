"""A sweep in this process, on Hydra's basic launcher, in folders of the test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from hydra_plugins.tlbench_staged_sweeper import StagedSweeper
from tlbench.config.search_path import CONF_DIR
from tlbench.jobs.job import run_job
from tlbench.records.record import ResultRecord, read_record

MakeSweeper = Callable[..., tuple[StagedSweeper, DictConfig, list[str]]]
Sweep = Callable[..., dict[str, ResultRecord]]


@pytest.fixture
def make_sweeper(tmp_path: Path, cache: Path) -> Iterator[MakeSweeper]:
    """The sweeper that a command line gets, its config, and its task overrides."""
    fast = (
        "debug=fast",
        f"store_dir={tmp_path / 'store'}",
        f"cache_dir={cache}",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
    )

    def make(*arguments: str) -> tuple[StagedSweeper, DictConfig, list[str]]:
        hydra_object = GlobalHydra.instance().hydra
        assert hydra_object is not None
        config = hydra_object.compose_config("config", [*fast, *arguments], RunMode.MULTIRUN)
        HydraConfig.instance().set_config(config)  # as Hydra 1.4 does: it is read-only from here
        context = HydraContext(config_loader=hydra_object.config_loader, callbacks=Callbacks())
        sweeper = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=run_job, config=config
        )
        # Hydra loads plugins by itself: its class is not the imported one.
        return cast(StagedSweeper, sweeper), config, list(config.hydra.overrides.task)

    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        yield make
    HydraConfig.instance().cfg = None


@pytest.fixture
def launcher(make_sweeper: MakeSweeper) -> Any:
    """The class of the basic launcher as Hydra has loaded it."""
    return sys.modules["hydra._internal.core_plugins.basic_launcher"].BasicLauncher


class Callbacks:
    """Hydra's own are private."""

    def __getattr__(self, name: str) -> Any:
        return lambda **_: None


@pytest.fixture
def sweep(make_sweeper: MakeSweeper, tmp_path: Path) -> Sweep:
    """Run a multirun's overrides; return the records by strategy, target, support and seed."""

    def go(*arguments: str) -> dict[str, ResultRecord]:
        sweeper, _, overrides = make_sweeper("hydra.mode=MULTIRUN", *arguments)
        sweeper.conduct(overrides)
        return found(tmp_path)

    return go


def records_below(folder: Path) -> list[ResultRecord]:
    return [read_record(file) for file in folder.rglob("result.json")]


def found(tmp_path: Path) -> dict[str, ResultRecord]:
    records = records_below(tmp_path / "sweep")
    return {
        f"{r.strategy} {r.target_task}{''.join(f'<-{s}' for s in r.support_tasks)} s{r.seed}": r
        for r in records
    }
