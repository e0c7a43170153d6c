"""Whether to draw progress bars."""

import sys

import datasets


def wanted(asked: bool | None) -> bool:
    """``trainer.progress_bar``, or where that is null whether somebody watches a terminal."""
    return sys.stderr.isatty() if asked is None else asked


def show_or_hide(asked: bool | None) -> None:
    """Keep the bars of reading and tokenising rows from the screen, unless wanted."""
    if not wanted(asked):
        datasets.disable_progress_bars()
