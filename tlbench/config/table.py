"""The table of all config keys, made from the schema: ``docs/guide/configuration.md``.

``python -m tlbench.config.table`` prints it.
"""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tlbench.config.keys import Key, declared, shown
from tlbench.config.schema import Config
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
line; the values are in [conf/](../../conf), a folder for each group. *Affects* says which results
change with it: a key that affects no result is no part of a stage's key, of a folder's name or of a
protocol. Of those, devices, threads and micro-batches change rounding, and the record says what was
in effect. Keys of a sweep itself (`hydra.sweeper.dry_run` and others) are in
[sweeps.md](sweeps.md), those of launchers in [conf/hydra/launcher/](../../conf/hydra/launcher).
"""


def table() -> str:
    """Return all keys with their types, meanings and what they affect, as Markdown."""
    groups: dict[str, list[Key]] = {}
    for key in declared(Config).values():
        groups.setdefault(key.name.rpartition(".")[0], []).append(key)
    return "\n".join(
        [_HEAD, *(line for name, keys in groups.items() for line in _part(name, keys))]
    )


def _part(name: str, keys: list[Key]) -> Iterator[str]:
    yield f"## {name or 'top level'}"
    options = sorted(file.stem for file in (CONF_DIR / name).glob("*.yaml")) if name else []
    if options:
        yield f"\nOptions: {', '.join(f'`{name}={option}`' for option in options)}."
    yield "\n| key | type | what it is | affects |\n|---|---|---|---|"
    for key in keys:
        yield f"| `{key.name}` | {_type(key)} | {key.doc} | {_AFFECTS[key.affects]} |"
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
