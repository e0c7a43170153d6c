"""What can be wrong with a config whose types are right."""

import math
import re
from collections.abc import Iterable
from typing import Any

from tlbench.config.schema import Config
from tlbench.config.values import MODES, ONE_TASK_A_BATCH, RULES
from tlbench.errors import UserError

_CHOICES = {
    "strategy.supports": ("none", "one", "all"),
    "selection": ("dev", "held_out"),
    "heads": ("per_task", "per_label_count"),
    "loss": ("sum", "mean"),
    "sampling.name": tuple(RULES),
    "sampling.last_batch": ("keep", "drop"),
    "sampling.batches": ("heterogeneous", *ONE_TASK_A_BATCH, "fixed_counts"),
    "optim.schedule": ("linear", "cosine", "constant"),
    "trainer.accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
    "trainer.precision": ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"),
}
_POSITIVE = (
    "batch_size",
    "micro_batch_size",
    "eval_batch_size",
    "eval_every",
    "optim.lr",
    "trainer.max_epochs",
    "trainer.checkpoint_minutes",
    "trainer.checkpoint_steps",
    "trainer.max_steps",
    "trainer.early_stopping",
    "trainer.threads",
    "encoder.max_length",
    "encoder.num_hidden_layers",
    "sampling.temperature",
    "sampling.cap",
    "sampling.floor",
    "subsample_size.dev",
    "optim.gradient_clip",
)
_NOT_NEGATIVE = ("seed", "subsample_size.seed", "num_workers", "optim.weight_decay")
SEEDS = 2**32  # as many as numpy takes
THREADS = 1024  # more than any machine's; a million would end the process
NAME = r"[A-Za-z0-9][\w-]{0,63}"
NAME_RULE = "use up to 64 letters, digits, '_' and '-'"
KEEP_WEIGHTS = ("needed", "all", "none")
EPOCHS = ("total", "shortest", "longest", "target")


def check_config(config: Config) -> None:
    """Refuse values that no run can work with.

    Raises:
        UserError: naming the key to change.
    """
    for key, choices in _CHOICES.items():
        one_of(key, value_at(config, key), choices)
    for key in _POSITIVE:
        value = value_at(config, key)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"Change {key}: {value} is not a number more than 0.")
    for key in _NOT_NEGATIVE:
        if not 0 <= value_at(config, key) < math.inf:
            raise UserError(f"Change {key}: {value_at(config, key)} is not a number from 0 on.")
    if config.seed >= SEEDS:
        raise UserError(f"Change seed: {config.seed} is not less than {SEEDS}.")
    if (config.trainer.threads or 1) > THREADS:
        raise UserError(f"Change trainer.threads: {config.trainer.threads} is more than {THREADS}.")
    if not isinstance(config.support_task, dict):
        raise UserError(f"Change support_task: '{config.support_task}' is not a task.")
    if not re.fullmatch(NAME, config.study):  # it names a folder
        raise UserError(f"Change study: {NAME_RULE}.")
    if not 0 <= config.optim.warmup <= 1:
        raise UserError(f"Change optim.warmup: {config.optim.warmup} is not a fraction of steps.")
    epoch = config.sampling.epoch
    if not (isinstance(epoch, int) and not isinstance(epoch, bool) and epoch > 0):
        one_of("sampling.epoch", epoch, (*EPOCHS, "a number of steps"))
    one_of("trainer.compile", str(config.trainer.compile).lower(), ("auto", "true", "false"))
    _check_rule(config)
    if not isinstance(config.keep_weights, list):
        one_of("keep_weights", config.keep_weights, (*KEEP_WEIGHTS, "a list of tasks"))
    devices = str(config.trainer.devices)
    if devices != "auto" and not (devices.isdigit() and 0 < int(devices) <= config.batch_size):
        raise UserError(
            f"Change trainer.devices: '{devices}' is neither auto nor a number up to batch_size."
        )


def _check_rule(config: Config) -> None:
    sampling = config.sampling
    if sampling.name == "temperature" and sampling.temperature is None:
        raise UserError("Change sampling.temperature: sampling=temperature needs a number.")
    if sampling.name == "dynamic":
        one_of("sampling.mode", str(sampling.mode), MODES)
        if sampling.mode != "softmax" and sampling.floor is None:
            raise UserError(f"Change sampling.floor: sampling.mode={sampling.mode} needs a number.")


def value_at(config: Any, key: str) -> Any:
    """The value at a dotted key of a checked config."""
    for part in key.split("."):
        config = getattr(config, part)
    return config


def one_of(key: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        UserError: naming the key and the choices.
    """
    if value not in (choices := tuple(choices)):
        raise UserError(f"Change {key}: '{value}' is not one of {', '.join(choices)}.")
