"""A logger of Lightning's as a job's logger."""

from inspect import isclass
from typing import TYPE_CHECKING, Any

from tlbench.jobs.job_log import RunInfo
from tlbench.jobs.private import PRIVATE_WANDB, without_places

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger


def more_options(make: Any) -> dict[str, Any]:
    """Return with what Lightning's W&B logger opens a run of its own, as private as ours."""
    from pytorch_lightning.loggers import WandbLogger

    if not (isclass(make) and issubclass(make, WandbLogger)):
        return {}
    import wandb

    return {"reinit": "create_new", "settings": wandb.Settings(quiet=True, **PRIVATE_WANDB)}


class LightningLog:
    """Any logger of Lightning's; it gets the config as hyper-parameters, and the final numbers."""

    def __init__(self, logger: "Logger", info: RunInfo) -> None:
        self._logger = logger
        about = {"title": info.title, "tags": list(info.tags)}
        logger.log_hyperparams(without_places(info.config) | about)

    def lightning(self) -> "Logger":
        return self._logger

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        end(self._logger, summary, failed)
        _end_wandb(self._logger)


def _end_wandb(logger: Any) -> None:
    """End the run of Lightning's W&B logger, or the next job of this process would be in it."""
    from pytorch_lightning.loggers import WandbLogger

    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


def end(logger: "Logger", summary: dict[str, Any], failed: bool) -> None:
    """Log the final numbers to a logger of Lightning's, and end it."""
    numbers = {key: value for key, value in summary.items() if isinstance(value, int | float)}
    logger.log_metrics(numbers)
    logger.finalize("failed" if failed else "success")
