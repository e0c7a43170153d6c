"""Hydra's door to ``tlbench.sweep``: the sweeper ``hydra/sweeper=staged``.

Hydra imports every plugin at each start, so what is heavy is imported when a sweep begins.
"""

import logging
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from tlbench.console import show_or_hide_progress_bars

if TYPE_CHECKING:
    from tlbench.sweep.limits import Limits


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


class StagedSweeper(BasicSweeper):
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

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        # Not the base class's: it makes the launcher here, before the configs are copied.
        self.context = hydra_context
        self.task_function = task_function
        self.master_config = config

    def sweep(self, arguments: list[str]) -> None:
        from tlbench.errors import UserError
        from tlbench.store.disk import writing

        try:
            with writing("hydra.sweep.dir", self._setting("hydra.sweep.dir")):
                self.conduct(arguments)
        except UserError as error:
            print(error, file=sys.stderr)  # Hydra would add how to see a stack trace
            sys.exit(error.exit_code)

    def conduct(self, arguments: list[str]) -> None:
        """Run the sweep, or print what it would do.

        Raises:
            UserError: at once if a value has a wrong type, at the end if an experiment has failed.
        """
        from tlbench.jobs import signals
        from tlbench.jobs.followed import ProgressFolder
        from tlbench.sweep import compose, detach, dry_run, plan, run, snapshot
        from tlbench.sweep.allocation import Allocation
        from tlbench.sweep.limits import Limits
        from tlbench.sweep.submit import make_submitter
        from tlbench.sweep.watch import Watch

        slurm = self._slurm()
        progress_bar = self._setting("trainer.progress_bar")
        show_or_hide_progress_bars(progress_bar)
        folder = Path(self._setting("hydra.sweep.dir"))
        limits = Limits(ProgressFolder(folder), self.fail_fast, self.max_hours)
        limits.check(self.detach)
        # Before the configs are copied: globs look into the folders of hydra.searchpath too
        # (Hydra 1.4), and a loader of copies does not list those.
        axes = self.axes(arguments)
        loader = self.context.config_loader
        if not self.dry_run:
            loader = snapshot.freeze(loader, folder)
        combinations = compose.combine(axes, compose.Composer(loader, self.master_config))
        planned = plan.make_plan(combinations, folder, self.dry_run)
        dry_run.print_plan(planned, Allocation.of(slurm) if slurm else None)
        if self.max_hours is not None and planned.jobs:
            at_once = dry_run.jobs_at_once(self.master_config.hydra.launcher)
            dry_run.print_budget(planned, self.max_hours, at_once)
        if self.dry_run:
            if self.detach:
                detach.preview(planned, folder)
            return
        OmegaConf.save(self.master_config, folder / "multirun.yaml")
        launcher = self._launcher(loader, folder)
        if self.detach and slurm:
            limits.discard()
            sizes = self.max_batch_size, self.max_submit
            detach.advance(planned, folder, partial(make_submitter, launcher, slurm, *sizes))
            return
        limits.open()
        launch = self._launch_by(launcher, limits)
        with signals.answered(), Watch(planned, limits, progress_bar) as watch:
            outcome = run.run(planned, launch, watch)
        run.report(outcome, folder, limits)

    def _setting(self, key: str) -> Any:
        """Return what the sweep itself reads of its config, which no job has checked yet."""
        from tlbench.errors import UserError

        try:
            return OmegaConf.select(self.master_config, key)
        except OmegaConfBaseException as error:
            raise UserError(f"Change {key}: {str(error).splitlines()[0]}") from error

    def axes(self, arguments: list[str]) -> list[list[str]]:
        """Return the overrides to choose from, key by key.

        Args:
            arguments: those of the command line; one replaces a parameter of its key.

        Raises:
            UserError: if a key is unknown, has an interval, or nothing to choose from.
        """
        from tlbench.config.overrides import check_keys
        from tlbench.errors import UserError

        parser = OverridesParser.create(config_loader=self.context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        check_keys(overrides)
        by_key = {override.get_key_element(): override for override in overrides}
        for key, override in by_key.items():
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(
                    f"Change {key}: only a search (hydra/sweeper=optuna) has intervals."
                )
        return [self._options(override) for override in by_key.values()]

    def _options(self, override: Override) -> list[str]:
        """Return an override of one value for every value that ``override`` sweeps over."""
        from tlbench.errors import UserError

        try:
            options = [text for (text,) in self.split_arguments([override], None)[0]]
        except (ValueError, ZeroDivisionError) as error:
            raise UserError(f"Change {override.input_line}: {error}.") from error
        if not options:
            raise UserError(f"Change {override.input_line}: it is a choice of nothing.")
        return options

    def _slurm(self) -> dict[str, Any] | None:
        """Return the launcher's config if its jobs go to Slurm; refuse to leave those of others.

        Raises:
            UserError: naming the override to change.
        """
        from tlbench.errors import UserError

        launcher = get_class(self._setting("hydra.launcher._target_"))
        if self.max_submit is not None and self.max_submit < 1:
            raise UserError("Change hydra.sweeper.max_submit: it must be more than 0, or null.")
        if getattr(launcher, "_EXECUTOR", None) == "slurm":  # of submitit's launchers
            options = OmegaConf.to_container(self._setting("hydra.launcher"), resolve=True)
            assert isinstance(options, dict)
            return {str(name): value for name, value in options.items()}
        if self.detach:
            raise UserError(
                "Add hydra/launcher=slurm, or remove hydra.sweeper.detach=true: jobs of "
                f"{launcher.__name__} end with the command that launches them."
            )
        return None

    def _launcher(self, loader: ConfigLoader, folder: Path) -> Launcher:
        """Return the configured launcher, with the configs of ``loader``."""
        from tlbench.config.syntax import quoted

        config = deepcopy(self.master_config)
        with read_write(config.hydra):  # Hydra 1.4 hands out what it has composed read-only
            # A job's own ${study} is another one where the sweep is over experiments.
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(str(folder))}")
            config.hydra.overrides.hydra += _quiet(config)
        # A copy, so that what else a release of Hydra hands to its launchers reaches them.
        context = replace(self.context, config_loader=loader)
        return Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=self.task_function, config=config
        )

    def _launch_by(self, launcher: Launcher, limits: "Limits") -> Callable[[list[list[str]]], None]:
        """Return what runs jobs on a launcher and waits for them."""
        numbers = count()

        def launch(jobs: list[list[str]]) -> None:
            for batch in self.split_overrides_to_chunks(jobs, self.max_batch_size):
                if limits.are_reached:
                    return
                first, *_ = (next(numbers) for _ in batch)
                launcher.launch(batch, initial_job_idx=first)

        return launch


# What they say of each job, a line of overrides, is in the job's folder too.
_LAUNCHERS = (
    "hydra._internal.core_plugins.basic_launcher",
    "hydra_plugins.hydra_joblib_launcher",
    "hydra_plugins.hydra_submitit_launcher",
)


def _quiet(config: DictConfig) -> list[str]:
    """Keep from the screen what is no warning of a job: it is in the job's log.

    Returns:
        The overrides by which the jobs do so.
    """
    if config.hydra.verbose:
        return []
    for name in _LAUNCHERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    has_console = OmegaConf.select(config, "hydra.job_logging.handlers.console") is not None
    return ["++hydra.job_logging.handlers.console.level=WARNING"] if has_console else []
