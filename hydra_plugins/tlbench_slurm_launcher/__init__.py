"""Hydra's door to several stages a Slurm job: the launcher of ``hydra/launcher=slurm``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn

try:
    from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
except ImportError:  # without tlbench[slurm] hydra/launcher=slurm is refused before it is asked for
    pass
else:

    @dataclass
    class StagesSlurmConf(SlurmQueueConf):  # type: ignore[misc]
        """Submitit's options, and ``stages_per_job``."""

        _target_: str = "hydra_plugins.tlbench_slurm_launcher.StagesSlurmLauncher"
        stages_per_job: Any = 1  # checked by us, in a sentence

    ConfigStore.instance().store(
        group="hydra/launcher", name="stages_slurm", node=StagesSlurmConf, provider="tlbench"
    )

    class StagesSlurmLauncher(SlurmLauncher):  # type: ignore[misc]
        """Submitit's launcher for Slurm, whose jobs can run several of Hydra's jobs each.

        Args:
            stages_per_job: how many; with 1 it does what submitit's does.
            params: submitit's.
        """

        def __init__(self, stages_per_job: int = 1, **params: Any) -> None:
            super().__init__(**params)
            self.stages_per_job = stages_per_job

        def launch(
            self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
        ) -> Sequence[JobReturn]:
            """Run jobs of whose lengths nothing is known; see ``launch_bundles``."""
            from tlbench.sweep.bundles import check_stages_per_job, in_bundles

            check_stages_per_job(self.stages_per_job)
            if self.stages_per_job == 1:
                returns: Sequence[JobReturn] = super().launch(job_overrides, initial_job_idx)
                return returns
            numbered = list(enumerate(job_overrides, initial_job_idx))
            bundles = in_bundles(numbered, [1.0] * len(numbered), self.stages_per_job)
            numbers = [number for bundle in bundles for number, _ in bundle]
            by_number = dict(zip(numbers, self.launch_bundles(bundles), strict=True))
            return [by_number[number] for number, _ in numbered]

        def launch_bundles(
            self, bundles: Sequence[Sequence[tuple[int, Sequence[str]]]]
        ) -> list[JobReturn]:
            """Run every bundle of jobs in a Slurm job, and wait for all of them.

            Args:
                bundles: the number and the overrides of each job.

            Returns:
                What came of the jobs, in their order.
            """
            from tlbench.sweep.submit import run_bundles

            return run_bundles(self, bundles)
