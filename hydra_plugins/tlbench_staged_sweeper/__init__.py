"""Hydra's door to ``tlbench.sweep``: the sweeper ``hydra/sweeper=staged``.

Hydra imports every plugin at each start, so what is heavy is imported when a sweep begins.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from tlbench.console import show_or_hide_progress_bars


@dataclass
class StagedSweeperConf(BasicSweeperConf):
    """The options; ``max_batch_size`` is how many jobs go to the launcher at once.

    Attributes:
        dry_run: print what would be done and do nothing.
    """

    _target_: str = "hydra_plugins.tlbench_staged_sweeper.StagedSweeper"
    dry_run: bool = False


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
    ) -> None:
        super().__init__(max_batch_size, params)
        self.dry_run = dry_run

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.context = hydra_context
        self.task_function = task_function
        self.master = config

    def sweep(self, arguments: list[str]) -> None:
        from tlbench.errors import UserError
        from tlbench.store.disk import writing

        try:
            with writing("hydra.sweep.dir", self.master.hydra.sweep.dir):
                self.conduct(arguments)
        except UserError as error:
            print(error, file=sys.stderr)  # Hydra would add how to see a stack trace
            sys.exit(1)

    def conduct(self, arguments: list[str]) -> None:
        """Run the sweep, or print what it would do.

        Raises:
            UserError: at once if a value has a wrong type, at the end if an experiment has failed.
        """
        pass
        from tlbench.jobs import signals
        from tlbench.sweep import compose, dry_run, plan, run, snapshot

        show_or_hide_progress_bars(self.master.trainer.progress_bar)
        folder = Path(self.master.hydra.sweep.dir)
        loader = self.context.config_loader
        if not self.dry_run:
            loader = snapshot.freeze(loader, folder)
        axes = self._axes(arguments, loader)
        combinations = compose.combine(axes, compose.Composer(loader, self.master))
        planned = plan.make_plan(combinations, folder, self.dry_run)
        dry_run.print_plan(planned)
        if self.dry_run:
            return
        OmegaConf.save(self.master, folder / "multirun.yaml")
        launch = self._launcher(loader, folder)
        with signals.answered():
            ended = run.run(planned, launch)
        run.report(ended, folder)

    def _axes(self, arguments: list[str], loader: ConfigLoader) -> list[list[str]]:
        """The overrides to choose from, key by key; a later argument replaces a parameter."""
        from tlbench.errors import UserError

        parser = OverridesParser.create(config_loader=loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        by_key = {override.get_key_element(): override for override in overrides}
        for key, override in by_key.items():
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(
                    f"Change {key}: only a search (hydra/sweeper=optuna) has intervals."
                )
        return [self._choices(override) for override in by_key.values()]

    def _choices(self, override: Override) -> list[str]:
        from tlbench.errors import UserError

        try:
            found = [text for (text,) in self.split_arguments([override], None)[0]]
        except (ValueError, ZeroDivisionError) as error:
            raise UserError(f"Change {override.input_line}: {error}.") from error
        if not found:
            raise UserError(f"Change {override.input_line}: it is a choice of nothing.")
        return found

    def _launcher(self, loader: ConfigLoader, folder: Path) -> Callable[[list[list[str]]], None]:
        """Runs jobs on the configured launcher, with the configs of ``loader``."""
        config = deepcopy(self.master)
        quoted = str(folder).replace("'", "\\'")
        # A job's own ${study} is another one where the sweep is over experiments.
        config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{quoted}'")
        context = HydraContext(config_loader=loader, callbacks=self.context.callbacks)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=self.task_function, config=config
        )
        numbers = count()

        def launch(jobs: list[list[str]]) -> None:
            for batch in self.split_overrides_to_chunks(jobs, self.max_batch_size):
                first, *_ = (next(numbers) for _ in batch)
                launcher.launch(batch, initial_job_idx=first)

        return launch
