"""Words that YAML reads as something else: no, on, 010, 1e5, 1:30, null.

A label that is written so would be another word in silence: ``010`` is 8, ``no`` is False. Of a
composed config it can't be told any more how a whole number was written, so files of tasks are
looked at as they are written.
"""

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.bounds import check_bounds
from tlbench.config.keys import Key, declared, value_in
from tlbench.config.schema import Task
from tlbench.errors import UserError


def takes_words(key: Key) -> bool:
    """Whether a key is a word, or a list of or mapping to words, or maybe null."""
    kinds = set(get_args(key.annotation) or [key.annotation]) - {NoneType}
    return key.is_word or kinds in ({str}, {list[str]}) or key.annotation == list[str]


def check_words(schema: type, plain: Any, where: str) -> None:
    """Refuse truth values, fractions and null in place of words.

    Args:
        schema: of the config.
        plain: the config, of mappings, lists and values.
        where: the key at which it was found; empty for the top.

    Raises:
        UserError: naming the key.
    """
    for key in declared(schema).values():
        value = value_in(plain, key.name)
        if takes_words(key):
            if isinstance(value, dict):
                value = list(value.values())
            for word in value if isinstance(value, list) else () if value is None else (value,):
                if isinstance(word, bool | float | None):
                    name = ".".join(part for part in (where, key.name) if part)
                    raise UserError(
                        f"Change {name}: {'null' if word is None else word} is no word; write "
                        "words such as no, null or 1e5 in quotes."
                    )


def check_file(file: Path) -> None:
    """Refuse words of a task's file that YAML reads as other than they are written.

    A file that is not YAML is left to whoever reads it.

    Raises:
        UserError: naming the file and the key, or a file without bounds.
    """
    check_bounds(file)
    try:
        root = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
        words = [
            (key.name, scalar.value, _as_read(scalar.value))
            for key in filter(takes_words, declared(Task).values())
            for scalar in _scalars(root, key)
        ]
    except (OSError, ValueError, yaml.YAMLError, OmegaConfBaseException, RecursionError):
        return
    for name, written, read in words:
        is_number = isinstance(read, int) and not isinstance(read, bool)
        if not isinstance(read, str) and not (is_number and str(read) == written):
            shown = "null" if read is None else read
            raise UserError(
                f"Change {name} in {file}: write '{written}' in quotes; without them YAML reads "
                f"it as {shown}."
            )


def _as_read(written: str) -> Any:
    """Return what a scalar without quotes is read as: OmegaConf and PyYAML differ in numbers."""
    plain: Any = OmegaConf.to_container(OmegaConf.create(f"word: {written}"), resolve=False)
    return plain["word"]


def _scalars(root: Any, key: Key) -> Iterator[Any]:
    """Yield the scalars without quotes at a key: its words, and null where it takes none."""
    node = root
    for part in key.name.split("."):
        inside = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for name, value in inside if name.value == part), None)
    if isinstance(node, yaml.SequenceNode):
        yield from (one for one in node.value if getattr(one, "style", "") is None)
    elif isinstance(node, yaml.MappingNode) and key.is_word:
        yield from (one for _, one in node.value if getattr(one, "style", "") is None)
    elif getattr(node, "style", "") is None:
        may_be_null = key.is_word or NoneType in get_args(key.annotation)
        if not (may_be_null and _as_read(node.value) is None):
            yield node
