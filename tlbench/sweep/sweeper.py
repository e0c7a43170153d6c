"""What the sweepers of tlbench share: from a command line to a plan, and to a launcher.

The doors to them are in ``hydra_plugins``. Hydra imports these at each start, so what is heavy is
imported when a sweep begins.
"""

import logging
import sys
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

if TYPE_CHECKING:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    from tlbench.sweep.limits import Limits
    from tlbench.sweep.plan import Plan, SweepJob
    from tlbench.sweep.run import Launch

    _Base = BasicSweeper
else:  # Hydra loads its plugins once more: their classes add the BasicSweeper of then
    _Base = object


class StageSweeper(_Base):
    """Trains the stages that experiments need; which and when, ``conduct`` of each sweeper says."""

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
            with writing("hydra.sweep.dir", self.setting("hydra.sweep.dir")):
                self.conduct(arguments)
        except UserError as error:
            print(error, file=sys.stderr)  # Hydra would add how to see a stack trace
            sys.exit(error.exit_code)

    @abstractmethod
    def conduct(self, arguments: list[str]) -> None:
        """Run the sweep, or print what it would do.

        Raises:
            UserError: at once if a value has a wrong type, at the end if an experiment has failed.
        """

    def planned(
        self, axes: list[list[str]], folder: Path, is_dry: bool
    ) -> tuple["Plan", ConfigLoader]:
        """Return the plan of all combinations, and the loader of the configs that its jobs have.

        Args:
            axes: the overrides to choose from, key by key; looked up before the configs are copied:
                globs look into the folders of hydra.searchpath too (Hydra 1.4), and a loader of
                copies does not list those.
            is_dry: whether nothing will be run.
        """
        from tlbench.config.unused import used_by_any
        from tlbench.sweep import compose, plan, snapshot

        loader = self.context.config_loader
        if not is_dry:
            loader = snapshot.freeze(loader, folder)
        combinations = compose.combine(axes, compose.Composer(loader, self.master_config))
        used = used_by_any(combinations, self.typed(axes))
        return plan.make_plan(used, folder, is_dry), loader

    def typed(self, axes: list[list[str]]) -> list[str]:
        """Return the overrides of axes that the command line names.

        An experiment's own parameters are for all that it compares: who runs a part of it needn't
        take out those of the rest.
        """
        from tlbench.sweep.compose import key_of

        keys = set(map(key_of, self.setting("hydra.overrides.task")))
        return [text for axis in axes if key_of(axis[0]) in keys for text in axis]

    def setting(self, key: str) -> Any:
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

    def slurm(self) -> dict[str, Any] | None:
        """Return the launcher's config if its jobs go to Slurm, else None.

        Raises:
            UserError: if a Slurm job is to run no stage.
        """
        from tlbench.sweep.bundles import check_stages_per_job

        launcher = get_class(self.setting("hydra.launcher._target_"))
        if getattr(launcher, "_EXECUTOR", None) == "slurm":  # of submitit's launchers
            options = OmegaConf.to_container(self.setting("hydra.launcher"), resolve=True)
            assert isinstance(options, dict)
            check_stages_per_job(options.get("stages_per_job", 1))
            return {str(name): value for name, value in options.items()}
        return None

    def launcher_of(self, loader: ConfigLoader, folder: Path) -> Launcher:
        """Return the configured launcher, with the configs of ``loader``."""
        from tlbench.config.syntax import quoted

        OmegaConf.save(self.master_config, folder / "multirun.yaml")
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

    def launch_by(self, launcher: Any, limits: "Limits") -> "Launch":
        """Return what runs jobs on a launcher and waits for them, the longest first."""
        from tlbench.sweep.bundles import bundles_of

        per_job = getattr(launcher, "stages_per_job", 1)
        numbers = count()

        def launch(jobs: Sequence["SweepJob"]) -> None:
            bundles: list[Any] = [
                [(next(numbers), list(job.overrides)) for job in bundle]
                for bundle in bundles_of(jobs, per_job)
            ]
            batches: Iterable[Any] = self.split_overrides_to_chunks(bundles, self.max_batch_size)
            for batch in batches:
                if limits.are_reached:
                    return
                if per_job > 1:
                    launcher.launch_bundles(batch)
                else:
                    first, _ = batch[0][0]
                    launcher.launch([words for [(_, words)] in batch], initial_job_idx=first)

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
