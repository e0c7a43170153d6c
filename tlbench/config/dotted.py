"""What dotted paths of the config name: functions and classes, of ours or of the user's.

What Python's own library has (``os.system``, ``builtins.exec``) is refused, under whatever path.
Whoever imports code of others than those in ``TRUSTED`` says so before.
"""

import logging
import sys
import traceback
from functools import cache
from importlib import import_module
from inspect import isclass, ismodule, isroutine
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, ClassVar, get_origin

from tlbench.errors import UserError

log = logging.getLogger(__name__)

TRUSTED = ("tlbench", "torch", "torchmetrics", "torchjd", "pytorch_lightning", "lightning")
_PYTHONS = {*sys.stdlib_module_names, "builtins"}


def imported(path: str, key: str) -> Any:
    """Return what a dotted path names.

    Args:
        key: where the path stands, for the sentence.

    Raises:
        UserError: if it can't be imported, whatever its module raises, or is of Python's library.
    """
    try:
        located = None if package_of(path) in _PYTHONS else _located(_said(path, key))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"Change {key}: '{path}' can't be imported ({reason}).") from error
    if located is None or package_of(defined_in(located)) in _PYTHONS:
        raise UserError(
            f"Change {key}: '{path}' is of Python's own library, which has nothing for it; name a "
            "function or class of tlbench, of another package or of your own."
        )
    return located


def package_of(path: str) -> str:
    """Return the first word of a dotted path: the package that is imported for it."""
    return path.partition(":")[0].partition(".")[0]


def defined_in(located: Any) -> str:
    """Return the module in which a class or function is defined; empty for any other object.

    A path may lead to what a module has imported itself: ``torch.os.system`` is of ``posix``.
    """
    if isclass(located) or isroutine(located):
        return str(getattr(located, "__module__", None) or "")
    return str(getattr(located, "__name__", "")) if ismodule(located) else ""


def _said(path: str, key: str) -> str:
    """Return a path, and say once that it is of code that comes neither with tlbench nor torch."""
    if package_of(path) not in TRUSTED:
        _say_foreign(path, key)
    return path


@cache
def _say_foreign(path: str, key: str) -> None:
    log.info("  code from outside tlbench is imported: %s, named by %s", path, key)


def _located(path: str) -> Any:
    module, _, name = path.rpartition(".")
    known = sys.modules.get(module)
    if known is not None and hasattr(
        known, name
    ):  # at once: a sweep asks for it thousands of times
        return getattr(known, name)
    try:
        return resolve_name(path)
    except AttributeError:
        import_module(path.rpartition(".")[0])  # raises what keeps a module from being imported
        raise


def imported_class(path: str, base: type, key: str) -> Any:
    """Return the class that a dotted path names, one that instances can be made of.

    Args:
        base: what it derives from.
        key: where the path stands, for the sentence.

    Raises:
        UserError: if it can't be imported, is no such class, or lacks what ``base`` asks for.
    """
    made = imported(path, key)
    if not (isclass(made) and issubclass(made, base)):
        raise UserError(f"Change {key}: '{path}' is not a {base.__module__}.{base.__name__}.")
    if missing := lacks(made):
        raise UserError(f"Change {key}, or the class: '{path}' lacks {', '.join(missing)}.")
    return made


def lacks(kind: type) -> list[str]:
    """Return the abstract methods that a class does not have, and attributes without a value."""
    return list(_lacks(kind))


@cache
def _lacks(kind: type) -> tuple[str, ...]:
    attributes = {
        name
        for base in kind.__mro__
        for name, annotation in vars(base).get("__annotations__", {}).items()
        if get_origin(annotation) is ClassVar and not hasattr(kind, name)
    }
    return tuple(sorted({*getattr(kind, "__abstractmethods__", ()), *attributes}))


def made_by(make: Any, path: str, key: str, *arguments: Any, **options: Any) -> Any:
    """Return what a class or function makes of arguments and of the options of the config.

    Args:
        path: its name in the config.
        key: where its options stand, for the sentence.

    Raises:
        UserError: in place of whatever it raises, with the place in its file.
    """
    try:
        return make(*arguments, **options)
    except UserError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]  # none if it takes other arguments
        place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        reason = f"{type(error).__name__}: {error}{place}"
        raise UserError(f"Change {key}: '{path}' can't be made ({reason}).") from error
