"""Which parts of a config another part refers to, in interpolations as they are written."""

import re
from typing import Any

ANY = "*"  # stands for all parts, where an interpolation does not say which
_INTERPOLATION = re.compile(r"\$\{\s*([\w.]*)\s*(:?)")
# Resolvers that read no part of the config but what is written inside them, which is looked at too.
_OF_NO_KEY = ("oc.env", "tlbench.")


def referred(node: Any) -> set[str]:
    """Return the top-level keys that interpolations in a value name; ``ANY`` where that is unclear.

    Args:
        node: a value below a top-level key, with its interpolations as they are written.
    """
    return {_root(name, bool(colon)) for name, colon in _INTERPOLATION.findall(repr(node))} - {""}


def _root(name: str, is_resolver: bool) -> str:
    if is_resolver:
        return "" if name.startswith(_OF_NO_KEY) else ANY
    if name.startswith(".") and not name.startswith(".."):
        return ""  # a neighbour, below the same key
    return name.partition(".")[0] or ANY
