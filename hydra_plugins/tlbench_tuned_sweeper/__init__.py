"""Hydra's door to ``tlbench.sweep.tuning``: the sweeper ``hydra/sweeper=tuned``."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from tlbench.console import show_or_hide_progress_bars
from tlbench.sweep.sweeper import StageSweeper

if TYPE_CHECKING:
    from tlbench.sweep.limits import Limits
    from tlbench.sweep.run import Launch


@dataclass
class TunedSweeperConf(BasicSweeperConf):
    """The options; ``max_batch_size`` is how many jobs go to the launcher at once.

    Attributes:
        tune: by key of the config the values to choose from, for each candidate by itself.
        trials: how many combinations each candidate gets; null: all.
        tuning_seed: the seed of all trials, and of the draw of combinations.
        dry_run: print what would be done and do nothing.
        fail_fast: begin no further job once one has failed.
        max_hours: begin no further job after so many hours, and have those that run save and stop.
    """

    _target_: str = "hydra_plugins.tlbench_tuned_sweeper.TunedSweeper"
    tune: Any = None  # of a mapping Hydra would add no key by tune={...}
    trials: int | None = None
    tuning_seed: int = 0
    dry_run: bool = False
    fail_fast: bool = False
    max_hours: float | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="tuned", node=TunedSweeperConf, provider="tlbench"
)


class TunedSweeper(StageSweeper, BasicSweeper):
    """Chooses values for every candidate with an equal number of trials, then runs the seeds."""

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        tune: Any = None,
        trials: int | None = None,
        tuning_seed: int = 0,
        dry_run: bool = False,
        fail_fast: bool = False,
        max_hours: float | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.tune = OmegaConf.to_container(tune) if isinstance(tune, DictConfig) else tune
        self.trials = trials
        self.tuning_seed = tuning_seed
        self.dry_run = dry_run
        self.fail_fast = fail_fast
        self.max_hours = max_hours

    def conduct(self, arguments: list[str]) -> None:
        """Tune and run the candidates, or print what that would train.

        Raises:
            UserError: at once if an option can't be used, at the end if an experiment has failed.
        """
        from tlbench.jobs import signals
        from tlbench.jobs.followed import ProgressFolder
        from tlbench.sweep.allocation import Allocation
        from tlbench.sweep.compose import Composer
        from tlbench.sweep.limits import Limits
        from tlbench.sweep.tuning import conduct
        from tlbench.sweep.tuning_plan import Tuning
        from tlbench.sweep.tuning_preview import preview
        from tlbench.sweep.tuning_search import Search

        search = Search.of(self.tune, self.trials, self.tuning_seed)
        slurm = self.slurm()
        progress_bar = self.setting("trainer.progress_bar")
        show_or_hide_progress_bars(progress_bar)
        folder = Path(self.setting("hydra.sweep.dir"))
        limits = Limits(ProgressFolder(folder), self.fail_fast, self.max_hours)
        limits.check()
        axes = self.axes(arguments)
        search.check_axes(axes)
        plan, loader = self.planned(axes, folder, self.dry_run)
        compose = cache(Composer(loader, self.master_config))  # a preview asks for it all too
        tuning = Tuning.of(plan, search, compose, folder, self.dry_run)
        preview(tuning, Allocation.of(slurm) if slurm else None)
        if self.dry_run:
            return

        def place(below: Path) -> tuple["Launch", "Limits"]:
            below.mkdir(parents=True, exist_ok=True)
            here = replace(limits, folder=ProgressFolder(below))  # the time is that of all
            return self.launch_by(self.launcher_of(loader, below), here), here

        with signals.answered():
            conduct(tuning, place, progress_bar)
