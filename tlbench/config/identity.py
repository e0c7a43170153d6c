"""What a run was asked for, and the names of folders and cells that are made of it."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

# Keys that change where, how fast or under which name a run goes, not what is asked of it. Of those
# that change rounding or dropout (devices, threads, micro-batches) a stage says what was in effect.
# Everything else is asked: test_identity.py walks all keys and fails on one in neither set.
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
    "trainer.threads",
    "trainer.checkpoint_minutes",
    "trainer.checkpoint_steps",
    "trainer.progress_bar",
)
_RESOLVED = ("encoder.identity",)  # found out from what was asked, and no part of it

# Every strategy trains on batches, whatever it says that has no effect on it.
_ALWAYS = ("sampling.last_batch",)


def affects_training(key: str, without_effect: Iterable[str]) -> bool:
    """Return whether a config key changes what a strategy trains.

    Args:
        without_effect: the keys and groups that the strategy says change nothing of it.
    """
    return is_under(key, _ALWAYS) or not is_under(key, without_effect)


def is_under(key: str, names: Iterable[str]) -> bool:
    """Whether a dotted key is one of the keys ``names`` or below one."""
    return f"{key}.".startswith(tuple(f"{name}." for name in names))


def unresolved(cfg: DictConfig) -> dict[str, Any]:
    """A composed config as plain data, its interpolations as they are written."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))


def flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a plain config, each with its dotted key below ``key``."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from flatten(item, f"{key}.{name}" if key else name)
    else:
        yield key, value


def identity_of(plain: dict[str, Any]) -> dict[str, Any]:
    """What a run was asked for: the config less neutral keys and what its strategy ignores."""
    found = {k: dict(v) if isinstance(v, dict) else v for k, v in plain.items() if k != "hydra"}
    supports = _inside(found, "strategy.supports")
    ignored = {
        "support_task": supports != "one",
        "subsample_size.support": supports == "none",
        "strategy.tasks": supports != "all",
    }
    without = [key for key, is_ignored in ignored.items() if is_ignored]
    for key in (*NEUTRAL_KEYS, *_RESOLVED, *without):
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


def job_folder_name(plain: dict[str, Any]) -> str:
    """A folder name made of what was asked, the same in every rerun."""
    return _name(plain, identity_of(plain), f"seed{plain.get('seed')}")


def setting_name(plain: dict[str, Any]) -> str:
    """A name made of what was asked less the seed: ``rte-stilts-mnli-3fa9c1d2``."""
    return _name(plain, {k: v for k, v in identity_of(plain).items() if k != "seed"})


def _name(plain: dict[str, Any], what: dict[str, Any], *more: str) -> str:
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
    names = ["target_task.name", "strategy.name"]
    if _inside(plain, "strategy.supports") == "one":
        names.append("support_task.name")
    parts = [part for name in names if (part := _inside(plain, name))]
    return "-".join([slug(part) for part in (*parts, *more)] + [digest.hexdigest()[:8]])


def slug(part: Any) -> str:
    """A part of a folder's name; whatever was given, it leads out of no folder."""
    return re.sub(r"\W+", "_", str(part))[:64]


def stage_folder(key: str) -> str:
    """The folder name of a job that trains one stage alone."""
    return f"stages/{slug(key)}"


KEY_LENGTH = 16
