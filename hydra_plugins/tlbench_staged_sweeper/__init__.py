"""Hydra's door to ``tlbench.sweep``: the sweeper ``hydra/sweeper=staged``.

Hydra imports every plugin at each start, so what is heavy is imported when a sweep begins.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore

from tlbench.console import show_or_hide_progress_bars
from tlbench.sweep.sweeper import StageSweeper


@dataclass
class StagedSweeperConf(BasicSweeperConf):
    """The options; ``max_batch_size`` is how many jobs go to the launcher at once.

    Attributes:
        dry_run: print what would be done and do nothing.
        detach: end once Slurm has all jobs; see ``tlbench.sweep.detach``.
        max_submit: how many jobs may be in Slurm's queue, whatever they are; null asks Slurm.
        fail_fast: begin no further job once one has failed.
        max_hours: begin no further job after so many hours, and have those that run save and stop.
    """

    _target_: str = "hydra_plugins.tlbench_staged_sweeper.StagedSweeper"
    dry_run: bool = False
    detach: bool = False
    max_submit: int | None = None
    fail_fast: bool = False
    max_hours: float | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="staged", node=StagedSweeperConf, provider="tlbench"
)


class StagedSweeper(StageSweeper, BasicSweeper):
    """Trains every stage that a grid of experiments needs once, in waves."""

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        dry_run: bool = False,
        detach: bool = False,
        max_submit: int | None = None,
        fail_fast: bool = False,
        max_hours: float | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.dry_run = dry_run
        self.detach = detach
        self.max_submit = max_submit
        self.fail_fast = fail_fast
        self.max_hours = max_hours

    def conduct(self, arguments: list[str]) -> None:
        """Run the sweep, or print what it would do.

        Raises:
            UserError: at once if a value has a wrong type, at the end if an experiment has failed.
        """
        from tlbench.jobs import signals
        from tlbench.jobs.followed import ProgressFolder
        from tlbench.sweep import detach, dry_run, run
        from tlbench.sweep.allocation import Allocation
        from tlbench.sweep.limits import Limits
        from tlbench.sweep.submit import make_submitter
        from tlbench.sweep.watch import Watch

        slurm = self.slurm()
        self._check_queue(slurm)
        progress_bar = self.setting("trainer.progress_bar")
        show_or_hide_progress_bars(progress_bar)
        folder = Path(self.setting("hydra.sweep.dir"))
        limits = Limits(ProgressFolder(folder), self.fail_fast, self.max_hours)
        limits.check(self.detach)
        planned, loader = self.planned(self.axes(arguments), folder, self.dry_run)
        dry_run.print_plan(planned, Allocation.of(slurm) if slurm else None)
        if self.max_hours is not None and planned.jobs:
            at_once = dry_run.jobs_at_once(self.master_config.hydra.launcher)
            dry_run.print_budget(planned, self.max_hours, at_once)
        if self.dry_run:
            if self.detach:
                detach.preview(planned, folder)
            return
        launcher = self.launcher_of(loader, folder)
        if self.detach and slurm:
            limits.discard()
            sizes = self.max_batch_size, self.max_submit
            detach.advance(planned, folder, partial(make_submitter, launcher, slurm, *sizes))
            return
        limits.open()
        launch = self.launch_by(launcher, limits)
        with signals.answered(), Watch(planned, limits, progress_bar) as watch:
            outcome = run.run(planned, launch, watch)
        run.report(outcome, folder, limits)

    def _check_queue(self, slurm: dict[str, Any] | None) -> None:
        """Refuse to leave jobs that end with the command, and a queue without a place in it.

        Raises:
            UserError: naming the override to change.
        """
        from tlbench.errors import UserError

        if self.max_submit is not None and self.max_submit < 1:
            raise UserError("Change hydra.sweeper.max_submit: it must be more than 0, or null.")
        if self.detach and slurm is None:
            launcher = self.setting("hydra.launcher._target_").rpartition(".")[2]
            raise UserError(
                "Add hydra/launcher=slurm, or remove hydra.sweeper.detach=true: jobs of "
                f"{launcher} end with the command that launches them."
            )
