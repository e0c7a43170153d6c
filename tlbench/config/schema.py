"""Types of the configs.

The YAML files under ``conf/`` hold the values; the dataclasses here hold the types and nothing
else, so a misspelt key or a word where a number belongs is refused before anything runs.
"""

from dataclasses import dataclass, field, is_dataclass
from typing import Any, cast, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from tlbench.errors import UserError


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
    identity: str | None = None  # what the files are: see tlbench.plan.encoder_files


@dataclass
class Strategy:
    """The group ``strategy``; ``supports`` is ``none``, ``one`` or ``all`` of ``tasks``."""

    name: str
    plan: str
    supports: str
    tasks: list[str]


@dataclass
class SubsampleSize:
    """The group ``subsample_size``; see ``tlbench.data.subsampling.count_rows``."""

    target: Any
    support: Any
    per_task: dict[str, Any]
    dev: int | None
    seed: int


@dataclass
class Sampling:
    """The group ``sampling``; see ``tlbench.data.sampling`` and ``tlbench.data.batching``."""

    name: str
    temperature: float | None
    cap: int | None
    mode: str | None
    floor: float | None
    batches: str
    epoch: Any
    last_batch: str = "keep"


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
    threads: int | None = None


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
    keep_weights: Any  # a word, or a list of tasks
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
    """Return an instance of the dataclass ``schema`` from a config node at the key ``where``.

    Raises:
        UserError: as ``parse_config``.
    """
    plain: Any = None
    try:
        plain = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), plain))
    except (OmegaConfBaseException, TypeError) as error:
        reason = str(getattr(error, "msg", None) or error).splitlines()[0]
        full_key = getattr(error, "full_key", None)
        path = (full_key,) if full_key else _path_of_fault(schema, plain)
        key = ".".join(part for part in (where, *path) if part)
        if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
            missing = reason.rsplit(": ", 1)[-1]
            key = key if key.endswith(missing) else missing  # of an interpolation, what it lacks
            raise UserError(f"Change {key}: give it a value.") from error
        raise UserError(f"Change {key or 'the config'}: {reason}") from error


def _path_of_fault(schema: Any, plain: Any) -> tuple[str, ...]:
    """Return the keys that lead to what does not fit its type.

    OmegaConf names no key where a list and a mapping meet, and since 2.4 raises a plain TypeError.
    """
    for name, value in plain.items() if isinstance(plain, dict) else ():
        try:
            OmegaConf.merge(OmegaConf.structured(schema), {name: value})
        except (OmegaConfBaseException, TypeError):
            kind = get_type_hints(schema).get(name)
            return (name, *(_path_of_fault(kind, value) if is_dataclass(kind) else ()))
    return ()
