"""The table of all config keys, made from the schema: ``docs/guide/configuration.md``.

``python -m tlbench.config.table`` prints it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import hydra
from omegaconf import OmegaConf

from tlbench.config.keys import Key, declared, shown, value_in
from tlbench.config.overrides import default_choices
from tlbench.config.schema import Config, Task
from tlbench.config.search_path import CONF_DIR

_AFFECTS = {
    "training": "every stage",
    "started": "stages with a start or several tasks",
    "mixed": "stages of several tasks",
    "experiment": "which stages, of which rows",
    "nothing": "no result",
}
_HEAD = """\
# Every config key

Made from the schema by `python -m tlbench.config.table`. Each can be overridden on the command
line; the options of a group are in [conf/](../../conf), a folder for each. *Default* holds without
an override: in a group that of its default option, of a task that of a file without the key.

*Affects* says which results change with it: a key that affects no result is no part of a stage's
key, of a folder's name or of a protocol. Of those, devices, threads and micro-batches change
rounding, and the record says what was in effect. Keys of a sweep itself (`hydra.sweeper.dry_run`
and others) are in [sweeps.md](sweeps.md), those of launchers in
[conf/hydra/launcher/](../../conf/hydra/launcher).
"""


def table() -> str:
    """Return all keys with their types, meanings and what they affect, as Markdown."""
    groups: dict[str, list[Key]] = {}
    for key in declared(Config).values():
        groups.setdefault(key.name.rpartition(".")[0], []).append(key)
    defaults = _defaults()
    return "\n".join(
        [_HEAD, *(line for name, keys in groups.items() for line in _part(name, keys, defaults))]
    )


def _defaults() -> dict[str, str]:
    """Return by key the value without any override; what is a whole group has its option's name."""
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        plain = OmegaConf.to_container(hydra.compose("config"))
    composed = {name: value_in(plain, name) for name in declared(Config)}
    composed |= {f"target_task.{name}": value for name, value in _of_a_file(Task).items()}
    chosen = {
        name: f"`{name}={'null' if option is None else option}`"
        for name, option in default_choices().items()
        if name in composed
    }
    return {name: _shown(value) for name, value in composed.items()} | chosen


def _of_a_file(schema: type) -> dict[str, Any]:
    """Return by key of a schema what a file without the key has; MISSING where it must be there."""
    hints, found = get_type_hints(schema), dict[str, Any]()
    for one in fields(cast(Any, schema)):
        if is_dataclass(hints[one.name]):
            inner = _of_a_file(cast(type, hints[one.name]))
            found |= {f"{one.name}.{name}": value for name, value in inner.items()}
        else:
            make = one.default_factory
            found[one.name] = make() if callable(make) else one.default
    return found


def _shown(value: Any) -> str:
    if value is MISSING:
        return "must be there"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return f"`{text}`"


def _part(name: str, keys: list[Key], defaults: Mapping[str, str]) -> Iterator[str]:
    yield f"## {name or 'top level'}"
    group = name.replace(".", "/")
    options = sorted(file.stem for file in (CONF_DIR / group).glob("*.yaml")) if name else []
    if options:
        yield f"\nOptions: {', '.join(f'`{group}={option}`' for option in options)}."
    yield "\n| key | type | default | what it is | affects |\n|---|---|---|---|---|"
    for key in keys:
        doc = key.doc.replace("<", "&lt;")
        cells = (f"`{key.name}`", _type(key), defaults[key.name], doc, _AFFECTS[key.affects])
        yield f"| {' | '.join(cells)} |"
    yield ""


def _type(key: Key) -> str:
    bounds = {"more than": key.above, "from": key.least, "to": key.most, "below": key.below}
    limits = [f"{word} {shown(value)}" for word, value in bounds.items() if value is not None]
    return " ".join([_words(key.annotation), *limits])


def _words(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_words(part) for part in get_args(annotation))
    names = {NoneType: "null", Any: "any", str: "word", float: "number", int: "whole number"}
    names |= {bool: "true or false", list[str]: "list of words", list[float]: "list of numbers"}
    return names.get(annotation, "mapping")


if __name__ == "__main__":
    print(table(), end="")
