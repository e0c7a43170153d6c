"""How a config key is declared: once, in the schema, with all that anybody needs to know of it.

Type and name are the dataclass field's; ``key`` adds what the key means, what it affects, its
bounds, and for a key that came later the value that stands for not having it. Stage keys, folder
names, protocols, the checks and docs/guide/configuration.md are made from these declarations.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from tlbench.config.remembered import Remembered

# training: every stage that is trained. started: stages that start from another one or train
# several tasks. mixed: stages of several tasks. experiment: which stages there are, and of which
# files and rows; their stage keys hold what that comes to. nothing: where, how fast and under which
# name a run goes, and what its weights are scored on once they are final. Of those that change
# rounding or dropout (devices, threads, micro-batches) the record says what was in effect.
Affects = Literal["training", "started", "mixed", "experiment", "nothing"]
_ALWAYS = object()  # of a key without a ``since``


@dataclass(frozen=True)
class Key:
    """A declared key.

    Attributes:
        name: dotted, from the top of the config.
        annotation: its type; ``Literal`` for words.
        since: the value at which it is left out of stage keys and folder names.
        only_with: another key and the words of it with which alone this one has an effect; in the
            same group.
        is_choice: whether a study compares its values, so that it is no part of a protocol.
        is_resolved: whether it is found out from other keys, and so is no part of what was asked.
        only_if_set: whether records have it only at another value than ``since``, so that those of
            runs that do not use it are as they were.
        trains_as: by value, another one that trains the same; stage keys hash that.
        takes_one: of a list of words, whether one word stands for the list of it.
        is_word: whether it is a word, a mapping to words or null, where its type says nothing.
        paths: patterns of dotted names below the key whose values are paths; "" for its own value.
        above, least, most, below: bounds of a number.
    """

    name: str
    annotation: Any
    doc: str
    affects: Affects
    since: Any = _ALWAYS
    only_with: tuple[str, tuple[str, ...]] | None = None
    is_choice: bool = False
    is_resolved: bool = False
    only_if_set: bool = False
    trains_as: Mapping[Any, Any] = field(default_factory=dict)
    takes_one: bool = False
    is_word: bool = False
    paths: tuple[str, ...] = ()
    above: float | None = None
    least: float | None = None
    most: float | None = None
    below: float | None = None

    @property
    def came_later(self) -> bool:
        """Whether there is a value that says the same as not having the key."""
        return self.since is not _ALWAYS

    @property
    def is_open(self) -> bool:
        """Whether it may hold keys that are not declared."""
        return self.annotation is Any or get_origin(self.annotation) is dict

    @property
    def is_list(self) -> bool:
        """Whether it is a list, or null, and nothing else."""
        if get_origin(self.annotation) is list:
            return True
        kinds = {get_origin(kind) for kind in get_args(self.annotation) if kind is not NoneType}
        return kinds == {list}

    def has_effect(self, value_of: Callable[[str], Any]) -> bool:
        """Whether it has an effect beside the other key of ``only_with``, if it has one.

        Args:
            value_of: gives the value at a dotted name.
        """
        if self.only_with is None:
            return True
        _, words = self.only_with
        return value_of(self.sibling) in words

    @property
    def sibling(self) -> str:
        """The dotted name of the other key of ``only_with``."""
        group, other = self.name.rpartition(".")[0], (self.only_with or ("",))[0]
        return f"{group}.{other}" if group else other

    def is_left_out(self, value: Any) -> bool:
        """Whether a value says the same as not having the key."""
        return self.came_later and bool(value == self.since)


def key(doc: str, affects: Affects, *, default: Any = MISSING, **more: Any) -> Any:
    """Declare a field of the schema; its value stands in the YAML files of ``conf/``.

    Args:
        default: for files of users, which need not have every key; that of a key with ``since`` is
            its ``since``.
        more: the attributes of ``Key``.
    """
    if "since" in more:
        default = more["since"]
    metadata = {"doc": doc, "affects": affects, **more}
    if isinstance(default, dict | list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def group(*, default: Any = MISSING, **inherited: Any) -> Any:
    """Declare a field whose type is a schema; ``inherited`` attributes hold for all its keys.

    Args:
        default: the type, where all its keys have defaults and files of users need not have any.
    """
    return field(default_factory=default, metadata=inherited)


@cache
def declared(schema: type) -> Mapping[str, Key]:
    """Return the keys of a schema and of the schemas inside, by dotted name."""
    hints = get_type_hints(schema)
    keys: dict[str, Key] = {}
    for one in fields(schema):
        annotation = hints[one.name]
        if is_dataclass(annotation):
            for name, inner in declared(cast(type, annotation)).items():
                name = f"{one.name}.{name}"
                keys[name] = replace(inner, name=name, **one.metadata)
        else:
            keys[one.name] = Key(one.name, annotation, **one.metadata)
    return keys


def is_known(schema: type, name: str) -> bool:
    """Whether a dotted key is one of a schema, a group of them, or inside one of any content."""
    keys = declared(schema)
    return any(
        key.name == name
        or is_under(key.name, [name])
        or (key.is_open and is_under(name, [key.name]))
        for key in keys.values()
    )


def value_at(config: Any, name: str) -> Any:
    """Return the value at a dotted key of a checked config."""
    return _getter(name)(config)


_getter = cache(attrgetter)


def value_in(plain: Any, name: str) -> Any:
    """Return the value at a dotted key of plain mappings; None where there is none."""
    for part in name.split("."):
        plain = plain.get(part) if isinstance(plain, dict) else None
    return plain


def later_values(config: Any) -> dict[str, Any]:
    """Return what a checked config has of keys that came later and change a result, by dotted name.

    Those are left out that say the same as not having the key.
    """
    schema: type = type(config)
    values = ((key, value_at(config, key.name)) for key in later_keys(schema))
    return {key.name: value for key, value in values if not key.is_left_out(value)}


@cache
def later_keys(schema: type) -> tuple[Key, ...]:
    """Return the keys of a schema that came later and change a result."""
    return tuple(k for k in declared(schema).values() if k.came_later and k.affects != "nothing")


@cache
def affecting(schema: type, what: frozenset[Affects]) -> tuple[Key, ...]:
    """Return the keys of a schema that affect any of these."""
    return tuple(key for key in declared(schema).values() if key.affects in what)


def recorded(config: Any, remembered: Remembered | None = None) -> dict[str, Any]:
    """Return a checked config as records have it: without what is ``only_if_set`` and is not.

    A group that has nothing left is not there either.

    Args:
        config: or a task, or another schema's.
        remembered: of the configs of one sweep, which share their parts.
    """
    once, schema = remembered or Remembered(), type(config)
    values = ((one.name, getattr(config, one.name)) for one in fields(config))
    parts = (once(_recorded_part, schema, name, value) for name, value in values)
    return {name: value for part in parts for name, value in part.items()}


def _recorded_part(schema: type, name: str, value: Any) -> dict[str, Any]:
    """Return what records have of a key at the top of a config: that key, or nothing."""
    plain = {name: asdict(value) if is_dataclass(value) else deepcopy(value)}  # type: ignore[arg-type]
    for key in keys_below(schema, name):
        *parents, last = key.name.split(".")
        nodes = [plain]
        for parent in parents:
            nodes.append(nodes[-1][parent])
        if key.only_if_set and key.is_left_out(nodes[-1][last]):
            del nodes[-1][last]
            if parents and not nodes[-1]:
                del nodes[-2][parents[-1]]
    return plain


@cache
def keys_below(schema: type, name: str) -> tuple[Key, ...]:
    """Return the declared keys that are, or are below, a key at the top of a schema."""
    return tuple(key for key in declared(schema).values() if is_under(key.name, (name,)))


def shown(bound: float) -> str:
    """Return a bound of a number as people read it: 1,000,000 or 1e-06."""
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def is_under(name: str, parents: Iterable[str]) -> bool:
    """Whether a dotted key is one of the keys ``parents`` or below one."""
    return f"{name}.".startswith(_beginnings(tuple(parents)))


@cache
def _beginnings(parents: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{parent}." for parent in parents)
