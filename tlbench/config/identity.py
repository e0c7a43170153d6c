"""What a run was asked for, and the names of folders and settings that are made of it."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from tlbench.config.keys import Key, declared, is_under, keys_below, value_in
from tlbench.config.remembered import Remembered
from tlbench.config.schema import Config

KEY_LENGTH = 16  # hexadecimal digits of a stage's key

# Keys that change where, how fast or under which name a run goes, not what is asked of it.
NEUTRAL_KEYS = tuple(key.name for key in declared(Config).values() if key.affects == "nothing")

# Of any task's, also where the schema does not declare what is inside: test rows are scored once a
# training is over, and change nothing of it, unless they are a fraction, which train then lacks.
_TEST_SPLIT = re.compile(
    r"(?:suite\.sources\.[^.]+|(?:target|support)_task\.source)\.test(?:\..*)?"
)

# Every strategy trains on batches, whatever it says that has no effect on it.
_ALWAYS = ("sampling.last_batch",)


def _choices() -> Iterator[str]:
    """Yield the keys that are choices, or their group where all of it is."""
    by_root: dict[str, list[Key]] = {}
    for key in declared(Config).values():
        by_root.setdefault(key.name.partition(".")[0], []).append(key)
    for root, keys in by_root.items():
        if all(key.is_choice for key in keys):
            yield root
        else:
            yield from (key.name for key in keys if key.is_choice)


# What a study compares, and so no part of its protocol.
CHOICES = tuple(_choices())


def affects_training(key: str, without_effect: Iterable[str]) -> bool:
    """Whether a config key changes what a strategy trains.

    Args:
        without_effect: of the strategy, keys or groups of them.
    """
    return is_under(key, _ALWAYS) or not is_under(key, without_effect)


def unresolved(cfg: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain data, its interpolations as they are written."""
    return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=False))


def flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a plain config but for test splits, each with its dotted key."""
    if _is_only_scored(key, value):
        return
    if isinstance(value, dict):
        for name, item in value.items():
            yield from flatten(item, f"{key}.{name}" if key else name)
    else:
        yield key, value


def identity_of(plain: dict[str, Any], schema: type = Config) -> dict[str, Any]:
    """Return what a run was asked for: the config less what changes nothing of it.

    That is neutral keys, what its strategy ignores, test splits, and keys that came later at the
    value that stands for not having them.
    """
    ignored = tuple(_ignored(plain.get("strategy")))
    parts = (
        _part(schema, k, value, ignored, _other(schema, k, plain))
        for k, value in plain.items()
        if k != "hydra"
    )
    return {name: value for part in parts for name, value in part.items()}


def _other(schema: type, name: str, plain: dict[str, Any]) -> Any:
    """Return the value of the key beside which alone a key at the top has an effect, if any."""
    key = declared(schema).get(name)
    return plain.get(key.sibling) if key and key.only_with else None


def _part(
    schema: type, name: str, value: Any, ignored: tuple[str, ...], other: Any = None
) -> dict[str, Any]:
    """Return what the identity has of a key at the top of a config: that key, or nothing.

    Args:
        ignored: the keys that have no effect on the config's strategy.
        other: the value of the key beside which alone this one has an effect, if that is at the
            top too.
    """
    identity = {name: _without_test(value, name)}
    for key in keys_below(schema, name):
        parent, _, last = key.name.rpartition(".")
        node = value_in(identity, parent) if parent else identity
        if not isinstance(node, dict) or last not in node:
            continue
        if not key.has_effect(partial(value_in, {name: value, key.sibling: other})):
            node[last] = key.since if key.came_later else None  # as where nobody sets it
        neutral = key.affects == "nothing" or key.is_resolved
        if _TEST_SPLIT.fullmatch(key.name):
            neutral = _is_only_scored(key.name, node[last])
        if neutral or key.is_left_out(node[last]) or not affects_training(key.name, ignored):
            del node[last]
            if parent and not node and key.only_if_set:  # the whole group came later
                above, _, last = parent.rpartition(".")
                del (value_in(identity, above) if above else identity)[last]
    return identity


def _without_test(value: Any, key: str) -> Any:
    """Return a copy of the value at a dotted key without the test splits inside."""
    if not isinstance(value, dict):
        return value
    return {
        name: _without_test(item, f"{key}.{name}")
        for name, item in value.items()
        if not _is_only_scored(f"{key}.{name}", item)
    }


def _is_only_scored(key: str, value: Any) -> bool:
    """Whether a value at a dotted key says nothing but which test rows are scored in the end."""
    return bool(_TEST_SPLIT.fullmatch(key)) and not isinstance(value, float)


def _ignored(strategy: Any) -> list[str]:
    """Return the keys that have no effect on a strategy, of its config."""
    named = value_in(strategy, "without_effect")
    without_effect = [str(name) for name in named] if isinstance(named, list) else []
    return without_effect_on(value_in(strategy, "supports"), without_effect)


def without_effect_on(supports: Any, named: Iterable[str]) -> list[str]:
    """Return the keys that have no effect on a strategy.

    Args:
        supports: what it trains on beside the target.
        named: the keys of which it says so itself.
    """
    without_effect = list(named)
    if supports != "one":
        without_effect.append("support_task")
    if supports not in ("many", "all"):
        without_effect.append("strategy.tasks")
    return without_effect


def job_folder_name(plain: dict[str, Any], remembered: Remembered | None = None) -> str:
    """Return a folder name made of what was asked, the same in every rerun.

    Args:
        plain: the config.
        remembered: of the configs of one sweep, which share their parts.
    """
    return _name(plain, remembered or Remembered(), [], f"seed{plain.get('seed')}")


def setting_name(plain: dict[str, Any]) -> str:
    """Return a name made of what was asked less the seed: ``rte-stilts-mnli-3fa9c1d2``."""
    return _name(plain, Remembered(), ["seed"])


def _name(
    plain: dict[str, Any], remembered: Remembered, without: Collection[str], *more: str
) -> str:
    strategy = plain.get("strategy")
    parts = [
        remembered(_json_part, name, plain[name], strategy, _other(Config, name, plain))
        for name in sorted(plain)
        if name != "hydra" and name not in without
    ]
    identity = "{" + ", ".join(filter(None, parts)) + "}"  # as JSON has it, sorted
    digest = hashlib.sha256(identity.encode())
    names = ["target_task.name", "strategy.name"]
    if value_in(plain, "strategy.supports") == "one":
        names.append("support_task.name")
    parts = [part for name in names if (part := value_in(plain, name))]
    return "-".join([slug(part) for part in (*parts, *more)] + [digest.hexdigest()[:8]])


def _json_part(name: str, value: Any, strategy: Any, other: Any) -> str:
    """Return what the identity has of a key at the top, as JSON within braces; empty for none."""
    part = _part(Config, name, value, tuple(_ignored(strategy)), other)
    return json.dumps(part, sort_keys=True, default=str)[1:-1]


def slug(part: Any) -> str:
    """Return a part of a folder's name; whatever was given, it leads out of no folder."""
    return re.sub(r"\W+", "_", str(part))[:64]


def stage_folder(key: str) -> str:
    """Return the folder name of a job that trains one stage alone."""
    return f"stages/{slug(key)}"
