"""How a command ends: with 0, or with a sentence and another exit code."""

import sys
from collections.abc import Callable

from tlbench.errors import UserError
from tlbench.store.disk import check_working_folder


def exit_code(work: Callable[[], None]) -> int:
    """Do a command's work; return 0, 1 after the sentence of a ``UserError``, 130 after Ctrl-C."""
    try:
        check_working_folder()
        work()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the same command again goes on where it was.", file=sys.stderr)
        return 130
    return 0
