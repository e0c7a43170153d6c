"""A sweep that is told to stop lets the jobs of its workers save where they are, and ends them.

A pool's launcher (joblib) kills its workers where the sweep is interrupted, in the middle of a
step, and a sweep that SIGTERM kills would leave them behind, at work.
"""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tlbench import claims
from tlbench.store import Store

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds; a step of training, an evaluation and a checkpoint fit in


@contextmanager
def workers_save_first(stores: Iterable[Store]) -> Iterator[None]:
    """Answer SIGINT and SIGTERM once the stages that workers train in ``stores`` are saved.

    SIGINT then is a KeyboardInterrupt, SIGTERM an exit with code 143; a second signal does not
    wait. What is ignored stays ignored. Without workers there is no wait; a stage that is trained
    in this process has its own answer to SIGTERM.
    """
    folders = {store.work for store in stores}
    told: list[int] = []

    def answer(number: int, _: FrameType | None) -> None:
        if signal.getsignal(number) is not answer:
            return  # Lightning trains here: it calls this too, and ends after the step
        told.append(number)
        if len(told) == 1:
            _let_workers_save(folders)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {n: handler for n, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _let_workers_save(folders: Collection[Path]) -> None:
    """Tell the workers of this process to stop; return once they have let go of their stages."""
    workers = {child.pid for child in multiprocessing.active_children() if child.pid}
    held = _held(folders, workers)
    if not held:
        return
    log.warning("Told to stop: %d jobs save where they are.", len(held))
    for pid in held.values():
        os.kill(pid, signal.SIGTERM)
    patient_until = time.monotonic() + PATIENCE
    while held.keys() & _held(folders, workers).keys() and time.monotonic() < patient_until:
        time.sleep(0.1)


def _held(folders: Collection[Path], workers: Collection[int]) -> dict[str, int]:
    return {k: v for folder in folders for k, v in claims.holders(folder, workers).items()}
