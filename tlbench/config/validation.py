"""From a composed config to a checked one; what no run can work with is refused."""

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Optional, Union, cast, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationToMissingValueError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from tlbench.config.homes import expand_homes
from tlbench.config.keys import Key, declared, shown, value_at, value_in
from tlbench.config.schema import Config
from tlbench.config.suggestions import lacking_task, unknown
from tlbench.config.words import check_words
from tlbench.errors import UserError

NAME = r"[A-Za-z0-9][\w-]{0,63}"
NAME_RULE = "use up to 64 letters, digits, '_' and '-'"
_KINDS = {
    int: "a whole number",
    float: "a number",
    bool: "true, false",
    list[str]: "a list of words",
    list[float]: "a list of numbers",
}


def parse_config(cfg: DictConfig) -> Config:
    """Check a composed config.

    Raises:
        UserError: on an unknown key, a value of the wrong type or out of bounds, or a mandatory
            value that is not given.
    """
    return cast(Config, checked(Config, cfg, ""))


def checked(schema: type, node: Any, where: str) -> Any:
    """Return an instance of the dataclass ``schema`` from a config node found at the key ``where``.

    Raises:
        UserError: as ``parse_config`` does.
    """
    plain: Any = None
    try:
        plain = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        _make_lists(schema, plain, where)
        check_words(schema, plain, where)
        expand_homes(schema, plain, where)
        typed = _typed(schema, plain)
    except (OmegaConfBaseException, TypeError) as error:
        full_key = getattr(error, "full_key", None)
        path = (full_key,) if full_key else _path_of_fault(_without_words(schema), plain)
        name = ".".join(part for part in (where, *path) if part)
        raise _refusal(error, name, node) from error
    instance = _instance(schema, typed)
    for key in declared(schema).values():
        _check(key, value_at(instance, key.name), where)
    return instance


def _make_lists(schema: type, plain: Any, where: str) -> None:
    """Make a list of one word where a key takes that, and refuse what is no list elsewhere.

    Raises:
        UserError: naming the key, in place of OmegaConf's words about its nodes.
    """
    for key in declared(schema).values():
        parent, _, last = key.name.rpartition(".")
        node = value_in(plain, parent) if parent else plain
        value = node.get(last) if isinstance(node, dict) else None
        if value is None or isinstance(value, list) or not key.is_list:
            continue
        if key.takes_one and isinstance(value, str):
            node[last] = [value]
            continue
        written = f"[{value}]" if isinstance(value, str | int | float) else "[...]"
        name = f"{where}.{key.name}" if where else key.name
        raise UserError(f"Change {name}: give a list, {written}.")


def _typed(schema: type, plain: Any) -> Any:
    """Return a plain config with the types of a schema, and the defaults of what it lacks.

    Raises:
        OmegaConfBaseException: if a value does not fit.
        TypeError: since OmegaConf 2.4 also that.
    """
    names = [one.name for one in fields(schema)]
    if isinstance(plain, dict) and plain.keys() <= {*names}:  # it lacks a group that is null
        with suppress(OmegaConfBaseException, TypeError):
            given = [(name, {name: plain[name]} if name in plain else {}) for name in names]
            return {name: _typed_part(schema, name, part) for name, part in given}
    # As a whole, which says better what is wrong.
    merged = OmegaConf.merge(OmegaConf.structured(_without_words(schema)), plain)
    return OmegaConf.to_container(merged, throw_on_missing=True)


def _typed_part(schema: type, name: str, part: dict[str, Any]) -> Any:
    """Return the value of one field with its type.

    The configs of a sweep have few different parts, and merging them takes OmegaConf long.

    Args:
        part: that field alone, or nothing: then it has its default.
    """
    known = _typed_parts.setdefault((schema, name), {})
    if (text := repr(part)) not in known:
        if len(known) > _MOST_PARTS:
            known.clear()
        structured = OmegaConf.structured(_field_alone(schema, name))
        merged = OmegaConf.merge(structured, part)
        typed: Any = OmegaConf.to_container(merged, throw_on_missing=True)
        known[text] = typed[name]
    return deepcopy(known[text])


_MOST_PARTS = 1000
_typed_parts: dict[tuple[type, str], dict[str, Any]] = {}


@cache
def _field_alone(schema: type, name: str) -> type:
    (one,) = (one for one in fields(_without_words(schema)) if one.name == name)
    hint = get_type_hints(_without_words(schema))[name]
    default: Any = {"default": one.default, "default_factory": one.default_factory}
    return make_dataclass(schema.__name__, [(name, hint, field(**default))])


def _refusal(error: OmegaConfBaseException | TypeError, name: str, node: Any) -> UserError:
    """Return OmegaConf's error about a key of a config node as a sentence of ours."""
    reason = str(getattr(error, "msg", None) or error).splitlines()[0]
    written: Any = OmegaConf.to_container(node, resolve=False)
    suite = written.get("suite") if isinstance(written, dict) else None
    if lacking := lacking_task(reason, name.partition(".")[0], suite):
        return UserError(lacking)
    if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
        missing = reason.rsplit(": ", 1)[-1]
        name = name if name.endswith(missing) else missing  # of an interpolation, what it lacks
        return UserError(f"Change {name}: give it a value.")
    if isinstance(error, ConfigKeyError | ConfigAttributeError) and name:
        return UserError(unknown(name))
    return UserError(f"Change {name or 'the config'}: {reason}")


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


@cache
def _without_words(schema: type) -> type:
    """Return a schema that OmegaConf 2.3 understands: it has no ``Literal``, and few unions."""
    hints = get_type_hints(schema)
    made: list[tuple[str, Any, Any]] = []
    for one in fields(schema):
        plain, factory = _plain(hints[one.name]), one.default_factory
        has_default = factory is not MISSING and is_dataclass(hints[one.name])
        options: Any = {
            "default": one.default,
            "default_factory": plain if has_default else factory,
        }
        made.append((one.name, plain, field(**options)))
    return make_dataclass(schema.__name__, made)


def _plain(annotation: Any) -> Any:
    if is_dataclass(annotation):
        return _without_words(cast(type, annotation))
    if get_origin(annotation) is Literal:
        return str
    if get_origin(annotation) in (Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not NoneType]
        return Optional[_plain(inner[0])] if len(inner) == 1 else Any  # noqa: UP045 - at run time
    return annotation


def _instance(schema: type, plain: Any) -> Any:
    hints = get_type_hints(schema)
    return schema(
        **{
            name: _instance(hints[name], value) if is_dataclass(hints[name]) else value
            for name, value in plain.items()
        }
    )


def _check(key: Key, value: Any, where: str) -> None:
    """Refuse a word that a key does not take, and a number out of its bounds."""
    name = f"{where}.{key.name}" if where else key.name
    parts = get_args(key.annotation) if get_origin(key.annotation) is not Literal else ()
    parts = parts or (key.annotation,)
    words = [w for part in parts if get_origin(part) is Literal for w in get_args(part)]
    kinds = [part for part in parts if get_origin(part) is not Literal]
    if words and not (value in words if isinstance(value, str) else _is_a(value, kinds)):
        one_of(name, value, [*words, *(_KINDS[kind] for kind in kinds if kind in _KINDS)])
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_bounds(key, name, value)


def _is_a(value: Any, kinds: Iterable[Any]) -> bool:
    if isinstance(value, list):
        return any(_are_all(value, get_args(kind)) for kind in kinds if get_origin(kind) is list)
    return type(value) in kinds or (type(value) is int and float in kinds)


def _are_all(values: list[Any], kinds: tuple[type, ...]) -> bool:
    """Return whether values are of a list's type; a whole number is one of a list of numbers."""
    (kind,) = kinds
    allowed = (int, float) if kind is float else (kind,)
    return all(type(value) in allowed for value in values)


def _check_bounds(key: Key, name: str, value: float) -> None:
    if key.above is not None and not key.above < value < math.inf:
        raise UserError(f"Change {name}: {value} is not a number more than {shown(key.above)}.")
    if key.least is not None and not key.least <= value < math.inf:
        raise UserError(f"Change {name}: {value} is not a number from {shown(key.least)} on.")
    if key.most is not None and not value <= key.most:
        raise UserError(f"Change {name}: {value} is more than {shown(key.most)}.")
    if key.below is not None and not value < key.below:
        raise UserError(f"Change {name}: {value} is not less than {shown(key.below)}.")


def check_config(config: Config) -> None:
    """Refuse values that do not go together.

    Raises:
        UserError: naming the key to change.
    """
    if not isinstance(config.support_task, dict):
        raise UserError(f"Change support_task: '{config.support_task}' is not a task.")
    if not re.fullmatch(NAME, config.study):  # it names a folder
        raise UserError(f"Change study: {NAME_RULE}.")
    for name in ("store_dir", "cache_dir"):
        if not value_at(config, name):  # which would be the working folder
            raise UserError(f"Change {name}: give it a folder.")
    devices = config.trainer.devices
    if isinstance(devices, int) and devices > config.batch_size:
        raise UserError(
            f"Change trainer.devices: {devices} devices can't share a batch of {config.batch_size}."
        )
    sampling = config.sampling
    if sampling.name == "temperature" and sampling.temperature is None:
        raise UserError("Change sampling.temperature: sampling=temperature needs a number.")
    if sampling.name == "dynamic" and sampling.mode is None:
        raise UserError("Change sampling.mode: sampling=dynamic needs softmax, gap or gap_x_size.")
    if sampling.name == "dynamic" and sampling.mode != "softmax" and sampling.floor is None:
        raise UserError(f"Change sampling.floor: sampling.mode={sampling.mode} needs a number.")


def one_of(name: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse a value that is none of the choices.

    Raises:
        UserError: naming the key and the choices.
    """
    if value not in (choices := tuple(choices)):
        raise UserError(f"Change {name}: '{value}' is not one of {', '.join(choices)}.")
