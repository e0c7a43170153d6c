"""How a sweep, and the workers of its launcher, answer SIGINT and SIGTERM.

A pool's launcher (joblib) kills its workers where the sweep is interrupted, in the middle of a
step, and a sweep that SIGTERM kills would leave them behind, at work. So a sweep tells its workers
and waits: each saves what it trains, begins nothing more, and returns as if it were done.
"""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

log = logging.getLogger(__name__)

_STOP_VARIABLE = "TLBENCH_TOLD_TO_STOP"  # for workers that a pool starts after the signal
_received: list[int] = []  # the signals that this process has had
_runs_a_job = False  # whether a job runs in this worker
_is_own = False  # whether this process has told its own job to stop


class Told(SystemExit):
    """A process was told to stop, and what it does can go on later."""


@contextmanager
def answered() -> Iterator[None]:
    """In a sweep: the first signal is answered once all workers have saved, a second at once.

    SIGINT then is a KeyboardInterrupt, SIGTERM an exit with code 143. What is ignored stays
    ignored. A stage that is trained in this process has its own answer to SIGTERM.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    earlier = {n: handler for n, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in earlier:
        signal.signal(number, _answer)
    try:
        yield
    finally:
        _received.clear()
        os.environ.pop(_STOP_VARIABLE, None)
        for number, handler in earlier.items():
            signal.signal(number, handler)


def end_if_told() -> None:
    """End a sweep that was told to stop while its workers were at work."""
    if _received:
        raise _end_of_sweep()


def stop_own_job() -> None:
    """Tell the job that runs in this process to stop, as SIGTERM would; a sweep goes on."""
    global _is_own
    _is_own = True
    os.kill(os.getpid(), signal.SIGTERM)


def _answer(number: int, _: FrameType | None) -> None:
    global _is_own
    trains = signal.getsignal(number) is not _answer  # Lightning calls this too
    if _is_own and number == signal.SIGTERM:
        _is_own = False
        if trains:
            return
        raise Told(128 + number)
    _received.append(number)
    if trains:
        return  # it ends after the step
    children = multiprocessing.active_children()
    workers = [child.pid for child in children if child.pid and child.name.startswith("Loky")]
    if not workers or len(_received) > 1:
        raise _end_of_sweep()
    os.environ[_STOP_VARIABLE] = "1"
    count = len(workers)
    log.warning("Told to stop: %d workers save where they are; once more ends at once.", count)
    for pid in workers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _end_of_sweep() -> BaseException:
    return KeyboardInterrupt() if _received[0] == signal.SIGINT else Told(128 + _received[0])


@contextmanager
def job_of_worker() -> Iterator[bool]:
    """Around a job: whether it runs in a worker that has not been told to stop.

    The first SIGTERM ends a worker's job, if it does not train, by ``Told``. Ctrl-C reaches
    workers too, and they leave it to the sweep, which tells them.
    """
    global _runs_a_job
    if multiprocessing.parent_process() is None:
        yield True
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _answer_in_worker)
    _runs_a_job = True
    try:
        yield not _received and _STOP_VARIABLE not in os.environ
    finally:
        _runs_a_job = False


def was_told() -> bool:
    """Whether this is a worker that was told to stop."""
    return bool(_received) and multiprocessing.parent_process() is not None


def _answer_in_worker(number: int, _: FrameType | None) -> None:
    _received.append(number)
    trains = signal.getsignal(number) is not _answer_in_worker  # Lightning calls this too
    if _runs_a_job and not trains and len(_received) == 1:
        raise Told(128 + number)
