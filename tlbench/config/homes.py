"""``~`` in paths, which a shell expands only where a word begins with it.

Whatever comes from a YAML file, from the environment or after ``key=`` has it still, and libraries
do not agree on what it means.
"""

import os
import re
from fnmatch import fnmatchcase
from typing import Any

from tlbench.config.keys import Key, declared, value_in
from tlbench.errors import UserError

_PATH = re.compile(r"(file://)?(~[^/\s]*)(/.*)?", re.DOTALL)


def expanded(path: str, key: str) -> str:
    """Return a path, or ``file://`` address, with the home folder in place of ``~`` or ``~user``.

    Args:
        key: what to change, for the sentence.

    Raises:
        UserError: if there is no such home.
    """
    parts = _PATH.fullmatch(path)
    if parts is None:
        return path
    scheme, home, inside = parts.groups(default="")
    folder = os.path.expanduser(home)  # noqa: PTH111 - Path.expanduser raises where this does not
    if folder == home:
        raise UserError(f"Change {key}: there is no home folder '{home}'; write the whole path.")
    return scheme + folder + inside


def expand_homes(schema: type, plain: Any, where: str) -> None:
    """Put the home folder in place of ``~`` into all that a config holds of declared paths.

    Args:
        schema: of the config.
        plain: the config, of mappings, lists and values; changed in place.
        where: the key at which it was found; empty for the top.

    Raises:
        UserError: naming the key, if there is no such home.
    """
    for key in declared(schema).values():
        parent, _, last = key.name.rpartition(".")
        node = value_in(plain, parent) if parent else plain
        if key.paths and isinstance(node, dict) and last in node:
            name = f"{where}.{key.name}" if where else key.name
            node[last] = _with_homes(node[last], key, name)


def _with_homes(value: Any, key: Key, name: str, inside: str = "") -> Any:
    """Return the value at a key, or at ``inside`` below it, with its paths expanded."""
    if isinstance(value, dict):
        return {
            word: _with_homes(item, key, f"{name}.{word}", f"{inside}.{word}".lstrip("."))
            for word, item in value.items()
        }
    is_path = isinstance(value, str) and any(fnmatchcase(inside, one) for one in key.paths)
    return expanded(value, name) if is_path else value
