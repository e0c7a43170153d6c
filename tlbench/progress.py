"""Whether to draw progress bars."""

import sys


def wanted(asked: bool | None) -> bool:
    """``trainer.progress_bar``, or where that is null whether somebody watches a terminal."""
    return sys.stderr.isatty() if asked is None else asked
