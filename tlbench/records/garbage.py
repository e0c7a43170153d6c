"""Python's garbage collector, without which the records of thousands of experiments are read."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collections() -> Iterator[None]:
    """Keep Python from looking for objects that hold nothing but each other.

    A large study makes millions of objects that stay to its end, and to look through them again and
    again would take a sixth of the time. Those few that are needed no more are found afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
