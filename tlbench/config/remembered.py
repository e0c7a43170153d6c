"""Work on shared parts of many configs, done once for each part."""

from collections.abc import Callable
from typing import Any


class Remembered:
    """Calls functions once for the same arguments, for as long as it lives.

    Experiments of a sweep share the objects that their configs are made of. Texts, numbers and
    None are the same if they are equal, everything else if it is the same object, which nobody may
    change meanwhile. A call that raises is not remembered.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what the function returns of the arguments, which have no keywords."""
        key = (function, *map(_same, arguments))
        if key not in self._calls:
            # The arguments too: the id of an object that is gone may become another's.
            self._calls[key] = function(*arguments), arguments
        return self._calls[key][0]


def _same(argument: Any) -> Any:
    if isinstance(argument, str) or argument is None:
        return argument
    if isinstance(argument, int | float):
        return type(argument), argument
    return tuple(map(_same, argument)) if isinstance(argument, tuple) else (id, id(argument))
