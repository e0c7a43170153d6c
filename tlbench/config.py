"""Types of the configs, the derived group ``support_task``, and what a run was asked for.

The YAML files under ``conf/`` hold the values; the dataclasses here hold the types and nothing
else, so a misspelt key or a word where a number belongs is refused before anything runs.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from tlbench import gpus
from tlbench.errors import UserError

_PACKAGE = Path(__file__).parent
# A wheel carries conf/ inside the package, a checkout keeps it beside the package.
CONF_DIR = next(d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if d.is_dir())

# Keys that change where, how fast or under which name a run goes, never its result. Everything
# else does change it: tests/test_config.py walks all keys and fails on one in neither set.
NEUTRAL_KEYS = (
    "study",
    "micro_batch_size",
    "eval_batch_size",
    "keep_weights",
    "store_dir",
    "cache_dir",
    "only_stage",
    "num_workers",
    "logger",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.checkpoint_minutes",
    "trainer.checkpoint_steps",
    "trainer.progress_bar",
)


@dataclass
class Source:
    """Where a task's rows come from; see ``tlbench.data.sources`` for the formats."""

    format: str
    path: str = "."
    name: str | None = None
    train: Any = None
    dev: Any = None
    more_dev: dict[str, Any] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    label: str | None = None
    values: list[str] | None = None
    header: bool = True
    seed: int = 0


@dataclass
class Task:
    """A task definition; ``labels`` of None makes it a regression."""

    name: str
    labels: list[str] | None
    score: list[str]
    metrics: list[str]
    source: Source


@dataclass
class Encoder:
    """The group ``encoder``."""

    name: str
    revision: str | None
    pretrained: bool
    num_hidden_layers: int | None
    max_length: int
    trust_remote_code: bool = False


@dataclass
class Strategy:
    """The group ``strategy``; ``supports`` is ``none``, ``one`` or ``all`` of ``tasks``."""

    name: str
    plan: str
    supports: str
    tasks: list[str]


@dataclass
class SubsampleSize:
    """The group ``subsample_size``; see ``tlbench.data.sizes.count_rows``."""

    target: Any
    support: Any
    per_task: dict[str, Any]
    dev: int | None
    seed: int


@dataclass
class Sampling:
    """The group ``sampling``; see ``tlbench.data.proportions`` and ``tlbench.data.mixing``."""

    name: str
    temperature: float | None
    cap: int | None
    mode: str | None
    floor: float | None
    batches: str
    epoch: Any


@dataclass
class Optim:
    """The group ``optim``."""

    lr: float
    weight_decay: float
    warmup: float
    schedule: str
    gradient_clip: float | None
    optimizer: dict[str, Any]


@dataclass
class TrainerConfig:
    """The group ``trainer``."""

    max_epochs: int
    max_steps: int | None
    early_stopping: int | None
    accelerator: str
    devices: Any
    precision: str
    compile: Any
    checkpoint_minutes: float | None
    checkpoint_steps: int | None
    progress_bar: bool | None


@dataclass
class Config:
    """The whole config of a job, checked."""

    encoder: Encoder
    strategy: Strategy
    target_task: Task
    support_task: Any  # a Task, or {"name": None}
    subsample_size: SubsampleSize
    suite: dict[str, Any]
    sampling: Sampling
    optim: Optim
    trainer: TrainerConfig
    logger: dict[str, Any]
    seed: int
    study: str
    batch_size: int
    micro_batch_size: int | None
    eval_batch_size: int
    group_by_length: bool
    fast_kernels: bool
    eval_every: float
    selection: str
    heads: str
    loss: str
    keep_weights: str
    store_dir: str
    cache_dir: str
    only_stage: str | None
    num_workers: int


def parse_config(cfg: DictConfig) -> Config:
    """Check a composed config.

    Raises:
        UserError: on an unknown key, a value of the wrong type, or a mandatory value not given.
    """
    return cast(Config, checked(Config, cfg, ""))


def checked(schema: type, node: Any, where: str) -> Any:
    """An instance of the dataclass ``schema`` from a config node found at the key ``where``."""
    try:
        plain = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), plain))
    except OmegaConfBaseException as error:
        reason = str(error.msg or error).splitlines()[0]
        key = ".".join(part for part in (where, error.full_key) if part)
        if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
            missing = reason.rsplit(": ", 1)[-1]
            key = key if key.endswith(missing) else missing  # of an interpolation, what it lacks
            raise UserError(f"Change {key}: give it a value.") from error
        raise UserError(f"Change {key or 'the config'}: {reason}") from error


def unresolved(cfg: DictConfig) -> dict[str, Any]:
    """A composed config as plain data, its interpolations as they are written."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))


def asked(plain: dict[str, Any]) -> dict[str, Any]:
    """What a run was asked for: the config less neutral keys and what its strategy ignores."""
    found = {k: dict(v) if isinstance(v, dict) else v for k, v in plain.items() if k != "hydra"}
    supports = _inside(found, "strategy.supports")
    ignored = {
        "support_task": supports != "one",
        "subsample_size.support": supports == "none",
        "strategy.tasks": supports != "all",
    }
    for key in (*NEUTRAL_KEYS, *(key for key, is_ignored in ignored.items() if is_ignored)):
        parent, _, last = key.rpartition(".")
        node = _inside(found, parent) if parent else found
        if isinstance(node, dict):
            node.pop(last, None)
    return found


def _inside(plain: Any, key: str) -> Any:
    """The value at a dotted key, None where there is none: Hydra names a job's folder first."""
    for part in key.split("."):
        plain = plain.get(part) if isinstance(plain, dict) else None
    return plain


def content(plain: dict[str, Any]) -> str:
    """A folder name made of what was asked, the same in every rerun."""
    return _name(plain, asked(plain), f"seed{plain.get('seed')}")


def cell(plain: dict[str, Any]) -> str:
    """A name made of what was asked less the seed: ``rte-stilts-mnli-3fa9c1d2``."""
    return _name(plain, {k: v for k, v in asked(plain).items() if k != "seed"})


def _name(plain: dict[str, Any], what: dict[str, Any], *more: str) -> str:
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
    names = ["target_task.name", "strategy.name"]
    if _inside(plain, "strategy.supports") == "one":
        names.append("support_task.name")
    parts = [part for name in names if (part := _inside(plain, name))]
    return "-".join([_word(part) for part in (*parts, *more)] + [digest.hexdigest()[:8]])


def _word(part: Any) -> str:
    """A part of a folder's name; whatever was given, it leads out of no folder."""
    return re.sub(r"\W+", "_", str(part))[:64]


def stage_folder(key: str) -> str:
    """The folder name of a job that trains one stage alone."""
    return f"stages/{_word(key)}"


def _job_folder(root: DictConfig) -> str:
    return stage_folder(root.only_stage) if root.only_stage else content(unresolved(root))


def config_dirs() -> Iterator[Path]:
    """Folders with configs: the user's ``--config-dir``, then our own."""
    if HydraConfig.initialized():  # in a job; a cluster's job has not the command line
        for source in HydraConfig.get().runtime.config_sources:
            if source.schema == "file" and source.path:
                yield Path(source.path)
        return
    for flag, value in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if flag in ("--config-dir", "-cd"):
            yield Path(value)
        elif flag.startswith("--config-dir="):
            yield Path(flag.partition("=")[2])
    yield CONF_DIR


def task_file(name: str, key: str = "strategy.tasks") -> Path:
    """The YAML file that defines a task.

    Raises:
        UserError: naming ``key``, if no config folder has one.
    """
    for folder in config_dirs():
        file = folder / "target_task" / f"{name}.yaml"
        if file.is_file():
            return file
    raise UserError(f"Change {key}: there is no task '{name}' in any target_task folder.")


def _study(root: DictConfig) -> str:
    """The chosen experiment's name; a job's own config is without the node that holds it."""
    key = "hydra.runtime.choices.experiment"
    choice = OmegaConf.select(root, key)
    if choice is None and HydraConfig.initialized():
        choice = HydraConfig.get().runtime.choices.get("experiment")
    return _word(choice).strip("_") if choice else "adhoc"


def register() -> None:
    """Register the resolvers, and every target task as a support task too."""
    OmegaConf.register_new_resolver("tlbench.folder", lambda *, _root_: _job_folder(_root_))
    OmegaConf.register_new_resolver("tlbench.word", _word)
    OmegaConf.register_new_resolver("tlbench.study", lambda *, _root_: _study(_root_))
    OmegaConf.register_new_resolver("tlbench.gpus", lambda: max(1, len(gpus.available())))
    OmegaConf.register_new_resolver("tlbench.gpu", gpus.of_worker)
    store = ConfigStore.instance()
    for folder in config_dirs():
        for file in folder.glob("target_task/*.yaml"):
            node = {"defaults": [{"/target_task@_here_": file.stem}]}
            store.store(group="support_task", name=file.stem, node=node, provider="tlbench")


register()
