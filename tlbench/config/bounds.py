"""Bounds of what YAML is read: a few hundred bytes of it can stand for more than any memory holds.

An alias (``*name``) repeats what its anchor (``&name``) has, which may be made of aliases itself.
"""

from pathlib import Path

import yaml

from tlbench.errors import UserError

MOST_BYTES = 500_000
MOST_VALUES = 50_000


def check_bounds(file: Path, text: str | None = None) -> None:
    """Refuse a YAML file that is too large, as written or with its aliases written out.

    What is not YAML is left to whoever reads it.

    Args:
        text: the YAML, if it is a part of the file.

    Raises:
        UserError: naming the file.
    """
    try:
        if (file.stat().st_size if text is None else len(text)) > MOST_BYTES:
            raise UserError(f"Change {file}: it has more than {MOST_BYTES:,} bytes of YAML.")
        root = yaml.compose(file.read_text("utf-8") if text is None else text, yaml.SafeLoader)
        values = _count(root, {}) if root is not None else 0
    except (OSError, ValueError, yaml.YAMLError):
        return
    except RecursionError as error:
        raise UserError(
            f"Change {file}: it can't be read as YAML (it is nested too deeply)."
        ) from error
    if values > MOST_VALUES:
        raise UserError(
            f"Change {file}: it has more than {MOST_VALUES:,} values, with its aliases written out."
        )


def _count(node: yaml.Node, counts: dict[int, float]) -> float:
    """Return how many values a node stands for; more than any number if it holds itself."""
    if id(node) not in counts:
        counts[id(node)] = float("inf")
        counts[id(node)] = 1 + sum(_count(child, counts) for child in _children(node))
    return counts[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []
