"""A launcher: a plugin of Hydra's, which finds it by the name of its package."""

import os

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore


class NiceLauncher(BasicLauncher):
    """Runs one job after the other, and lets other users' programs go first."""

    def __init__(self, niceness):
        super().__init__()
        self.niceness = niceness

    def launch(self, job_overrides, initial_job_idx):
        os.nice(self.niceness - os.nice(0))
        return super().launch(job_overrides, initial_job_idx)


ConfigStore.instance().store(
    group="hydra/launcher",
    name="nice",
    node={"_target_": "hydra_plugins.nice_launcher.NiceLauncher", "niceness": 10},
)
