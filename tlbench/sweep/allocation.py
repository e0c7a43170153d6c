"""What a job asks of Slurm, and what that comes to for a sweep: GPU hours, or core hours."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_GRES = re.compile(r"(?:^|,)gpu(?::[^:,(]*[^\d:,(][^:,(]*)?(?::(\d+))?")  # gpu, gpu:2, gpu:a100:2


@dataclass(frozen=True)
class Allocation:
    """What each job of a sweep holds while it runs.

    Attributes:
        gpus, cores: how many, on all of its nodes.
        minutes: how long one leg may take.
        stages: how many stages it runs beside each other.
    """

    gpus: int
    cores: int
    minutes: int
    stages: int = 1

    @classmethod
    def of(cls, launcher: Mapping[str, Any]) -> "Allocation":
        """Return what the config ``hydra.launcher`` asks for."""
        # As sbatch has them, whatever submitit has a name of its own for.
        more = launcher.get("additional_parameters") or {}
        more = {name.replace("-", "_"): value for name, value in more.items()}
        asked = {**launcher, **more}
        nodes = _number(asked.get("nodes"), 1)
        tasks = nodes * _number(asked.get("tasks_per_node"), 1)
        gpus = (
            _number(asked.get("gpus"))
            or nodes * _number(asked.get("gpus_per_node"))
            or tasks * _number(asked.get("gpus_per_task"))
            or nodes * _gpus_in(asked.get("gres"))
        )
        cores = tasks * _number(asked.get("cpus_per_task"))
        cores = cores or gpus * _number(asked.get("cpus_per_gpu")) or tasks
        return cls(gpus, cores, int(asked["timeout_min"]), int(asked.get("stages_per_job", 1)))

    def described(self, jobs: int, seconds: Sequence[float] | None) -> str:
        """Return in words what jobs ask for, and what they are expected to use.

        Args:
            jobs: Slurm's.
            seconds: how long each stage takes that is trained; None if that is not known.
        """
        held, unit = (self.gpus, "GPU") if self.gpus else (self.cores, "core")
        each = timedelta(minutes=self.minutes)
        asked = jobs * held * self.minutes / 60
        # Stages beside each other take no longer than one after the other.
        about = "about" if self.stages == 1 else "at most about"
        used = "not known" if seconds is None else f"{about} {held * sum(seconds) / 3600:.3g}"
        return (
            f"asked of Slurm: {jobs} jobs x {held} {unit}{'s' if held > 1 else ''} x {each}: "
            f"{asked:,.5g} {unit} hours; expected: {used}"
        )


def _number(value: Any, default: int = 0) -> int:
    """Return the number that an option of sbatch ends with: ``2``, ``a100:2``."""
    found = re.search(r"(?:^|:)(\d+)$", str(value))
    return int(found[1]) if found else default


def _gpus_in(gres: Any) -> int:
    found = _GRES.search(str(gres))
    return int(found[1] or 1) if found else 0
