"""Hydra's door to ``tlbench.sweep.race``: the sweeper ``hydra/sweeper=race``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore

from tlbench.console import show_or_hide_progress_bars
from tlbench.sweep.sweeper import StageSweeper


@dataclass
class RaceSweeperConf(BasicSweeperConf):
    """The options; ``max_batch_size`` is how many jobs go to the launcher at once.

    Attributes:
        trainings: how many stages the race may train in all; 0 only says what it would try first.
        matters: the difference that does not matter: 0.005 is half a point of a score.
        seeds: how many a candidate is given at most, 10 or fewer.
        hours: begin no further job after so many hours, and have those that run save and stop.
        looks: after how many seeds it is judged, chosen before the first; null: 2, 3, 5, 8, 10.
        contenders: how many candidates go on in a round beside single.
        prior: which predictor orders the first round: size_rule, text_similarity, logme, knn,
            task_embedding or earlier; null: none.
        skip: how many supports are not tried, those that prior likes least.
        studies: files and folders of finished studies, for earlier and for what predictors cost.
        dry_run: print what the next round would do and do nothing.
        fail_fast: begin no further job once one has failed.
    """

    _target_: str = "hydra_plugins.tlbench_race_sweeper.RaceSweeper"
    trainings: int | None = None
    matters: float = 0.005
    seeds: int = 10
    hours: float | None = None
    looks: list[int] | None = None
    contenders: int = 2
    prior: str | None = None
    skip: int = 0
    studies: list[str] = field(default_factory=list)
    dry_run: bool = False
    fail_fast: bool = False


ConfigStore.instance().store(
    group="hydra/sweeper", name="race", node=RaceSweeperConf, provider="tlbench"
)


class RaceSweeper(StageSweeper, BasicSweeper):
    """Gives candidates seeds round by round, until the answer is there or the budget is used up."""

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        dry_run: bool = False,
        fail_fast: bool = False,
        hours: float | None = None,
        prior: str | None = None,
        skip: int = 0,
        studies: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.dry_run = dry_run
        self.fail_fast = fail_fast
        self.hours = hours
        self.priors = prior, skip, tuple(studies)
        self.options = options

    def conduct(self, arguments: list[str]) -> None:
        """Run the race, or print what its next round would do.

        Raises:
            UserError: at once if an option can't be used, at the end if an experiment has failed.
        """
        from tlbench.jobs import signals
        from tlbench.jobs.followed import ProgressFolder
        from tlbench.sweep.limits import Limits
        from tlbench.sweep.race import Race, RaceOptions, conduct
        from tlbench.sweep.race_axes import check_no_seed, race_axes
        from tlbench.sweep.race_preview import preview
        from tlbench.sweep.race_priors import Priors

        check_no_seed(arguments)
        options, priors = RaceOptions.of(self.options), Priors(*self.priors)
        priors.check()
        self.slurm()
        progress_bar = self.setting("trainer.progress_bar")
        show_or_hide_progress_bars(progress_bar)
        folder = Path(self.setting("hydra.sweep.dir"))
        limits = Limits(ProgressFolder(folder), self.fail_fast, self.hours, "hydra.sweeper.hours")
        limits.check()
        is_dry = self.dry_run or options.trainings == 0
        axes = race_axes(self.axes(arguments), options.seeds)
        plan, loader = self.planned(axes, folder, is_dry)
        race = Race.of(plan, folder, options, priors)
        preview(race, priors)
        if is_dry:
            return
        launch = self.launch_by(self.launcher_of(loader, folder), limits)
        limits.open()
        with signals.answered():
            conduct(race, launch, limits, progress_bar)
