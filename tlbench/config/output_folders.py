"""Hydra's own output folders, which it creates before a job is asked anything."""

import sys
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.homes import expanded
from tlbench.config.syntax import quoted
from tlbench.errors import UserError


class OutputFolders(Callback):
    """Puts the home folder in place of ``~`` into ``hydra.run.dir`` and ``hydra.sweep.dir``.

    A folder that is not given is refused: it would be the working folder.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        _settle(config, "run")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        _settle(config, "sweep")


def _settle(config: DictConfig, node: str) -> None:
    """Change the folder in the config of a run, and in those that a sweep composes for its jobs."""
    HydraConfig.instance().set_config(config)  # as Hydra does next: ${hydra:...} may be used
    key = f"hydra.{node}.dir"
    try:
        written = str(OmegaConf.select(config, key))
        folder = expanded(written, key)
        if not folder:
            raise UserError(f"Change {key}: give it a folder.")
    except OmegaConfBaseException:
        return  # Hydra says what it lacks
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)  # of any other exception of a callback Hydra makes a warning
    if folder != written:
        with read_write(config.hydra):
            config.hydra[node].dir = folder
            config.hydra.overrides.hydra.append(f"{key}={quoted(folder)}")
