"""What can be wrong with a config whose types are right."""

import math
import re
from collections.abc import Iterable
from typing import Any

from tlbench.config import Config, Task
from tlbench.data.mixing import ONE_TASK_A_BATCH
from tlbench.data.proportions import MODES, RULES
from tlbench.data.sizes import HELD_OUT
from tlbench.errors import UserError
from tlbench.metric_names import CLASSIFICATION, REGRESSION
from tlbench.stage import Stage

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
    "batch_size", "micro_batch_size", "eval_batch_size", "eval_every", "optim.lr",
    "trainer.max_epochs", "trainer.checkpoint_minutes", "trainer.checkpoint_steps",
    "trainer.max_steps", "trainer.early_stopping", "trainer.threads", "encoder.max_length",
    "encoder.num_hidden_layers", "sampling.temperature", "sampling.cap", "sampling.floor",
    "subsample_size.dev",
    "optim.gradient_clip",
)  # fmt: skip
_NOT_NEGATIVE = ("seed", "subsample_size.seed", "num_workers", "optim.weight_decay")
SEEDS = 2**32  # as many as numpy takes
THREADS = 1024  # more than any machine's; a million would end the process
_NAME = r"[A-Za-z0-9][\w-]{0,63}"
_NAME_RULE = "use up to 64 letters, digits, '_' and '-'"
KEEP_WEIGHTS = ("needed", "all", "none")
EPOCHS = ("total", "shortest", "longest", "target")


def check_config(config: Config) -> None:
    """Refuse values that no run can work with.

    Raises:
        UserError: naming the key to change.
    """
    for key, choices in _CHOICES.items():
        _one_of(key, _value(config, key), choices)
    for key in _POSITIVE:
        value = _value(config, key)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"Change {key}: {value} is not a number more than 0.")
    for key in _NOT_NEGATIVE:
        if not 0 <= _value(config, key) < math.inf:
            raise UserError(f"Change {key}: {_value(config, key)} is not a number from 0 on.")
    if config.seed >= SEEDS:
        raise UserError(f"Change seed: {config.seed} is not less than {SEEDS}.")
    if (config.trainer.threads or 1) > THREADS:
        raise UserError(f"Change trainer.threads: {config.trainer.threads} is more than {THREADS}.")
    if not isinstance(config.support_task, dict):
        raise UserError(f"Change support_task: '{config.support_task}' is not a task.")
    if not re.fullmatch(_NAME, config.study):  # it names a folder
        raise UserError(f"Change study: {_NAME_RULE}.")
    if not 0 <= config.optim.warmup <= 1:
        raise UserError(f"Change optim.warmup: {config.optim.warmup} is not a fraction of steps.")
    epoch = config.sampling.epoch
    if not (isinstance(epoch, int) and not isinstance(epoch, bool) and epoch > 0):
        _one_of("sampling.epoch", epoch, (*EPOCHS, "a number of steps"))
    _one_of("trainer.compile", str(config.trainer.compile).lower(), ("auto", "true", "false"))
    _check_rule(config)
    if not isinstance(config.keep_weights, list):
        _one_of("keep_weights", config.keep_weights, (*KEEP_WEIGHTS, "a list of tasks"))
    devices = str(config.trainer.devices)
    if devices != "auto" and not (devices.isdigit() and 0 < int(devices) <= config.batch_size):
        raise UserError(
            f"Change trainer.devices: '{devices}' is neither auto nor a number up to batch_size."
        )
    check_task(config.target_task)


def _check_rule(config: Config) -> None:
    sampling = config.sampling
    if sampling.name == "temperature" and sampling.temperature is None:
        raise UserError("Change sampling.temperature: sampling=temperature needs a number.")
    if sampling.name == "dynamic":
        _one_of("sampling.mode", str(sampling.mode), MODES)
        if sampling.mode != "softmax" and sampling.floor is None:
            raise UserError(f"Change sampling.floor: sampling.mode={sampling.mode} needs a number.")


def check_task(task: Task) -> None:
    """Refuse a name that no folder can have, and metrics that do not go with the labels."""
    where = f"of task '{task.name}'"
    if not re.fullmatch(_NAME, task.name):  # it names folders and modules
        raise UserError(f"Change name {where}: {_NAME_RULE}.")
    for name in task.source.more_dev:  # it names metrics
        if not re.fullmatch(_NAME, str(name)):
            raise UserError(f"Change source.more_dev {where}: '{name}': {_NAME_RULE}.")
    _check_words(task, where)
    known = CLASSIFICATION if task.labels else REGRESSION
    for metric in [*task.metrics, *task.score]:
        _one_of(f"metrics or score {where}", metric, known)
    if not task.score or not set(task.score) <= set(task.metrics):
        raise UserError(f"Change score {where}: name one or more of its metrics.")
    if task.labels is None:
        return
    if len(set(task.labels)) < max(2, len(task.labels)):
        raise UserError(f"Change labels {where}: give two or more different names, or null.")
    values = task.source.values
    if values is not None and not len(set(values)) == len(values) == len(task.labels):
        raise UserError(
            f"Change source.values {where}: give a different one for each of its labels."
        )
    if "f1" in task.metrics and len(task.labels) != 2:
        raise UserError(f"Change metrics {where}: f1 needs two labels; use macro_f1.")


def _check_words(task: Task, where: str) -> None:
    # OmegaConf takes a list for an element of a list of words.
    for key in ("labels", "score", "metrics", "source.text", "source.values"):
        wrong = [word for word in _value(task, key) or () if not isinstance(word, str)]
        if wrong:
            raise UserError(f"Change {key} {where}: {wrong[0]} is not a word.")


def check_stage(stage: Stage) -> None:
    """Refuse a batch too small to mix the stage's tasks, and a draw too small to hold rows out."""
    c = stage.config
    for draw in stage.draws:
        if c.selection == "held_out" and draw.count < HELD_OUT:
            raise UserError(
                f"Change selection, or subsample_size: held_out takes one row in {HELD_OUT} and "
                f"task '{draw.name}' has {draw.count}."
            )
    if c.sampling.batches not in ONE_TASK_A_BATCH and c.batch_size < len(stage.draws):
        raise UserError(
            f"Change batch_size: {c.batch_size} is less than the {len(stage.draws)} tasks that a "
            f"batch mixes ({', '.join(stage.tasks)}); or set sampling.batches=homogeneous."
        )


def _value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


def _one_of(key: str, value: Any, choices: Iterable[str]) -> None:
    if value not in (choices := tuple(choices)):
        raise UserError(f"Change {key}: '{value}' is not one of {', '.join(choices)}.")
