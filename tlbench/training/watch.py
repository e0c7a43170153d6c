"""Ends the ranks of a stage together: all of them if one fails, or if they are told to stop.

A rank that waits for the others runs no Python, so it answers no signal, and where they never
come it waits for ever. So a thread of the first rank watches. Gloo's operations fail once a
process is gone, and the first rank goes on with an error; where that does not help (NCCL, or
ranks that have not met yet) the process ends.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for the first rank to end by itself, and again once the others are gone
_TO_END = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_together(processes: Sequence[BaseProcess]) -> Iterator[None]:
    """Around the work of the first rank, in the main thread.

    Args:
        processes: the other ranks, from 1 on.

    Raises:
        KeyboardInterrupt: if the work has failed because all were told to stop.
        RuntimeError: if it has failed because another rank has.
    """
    watch = _Watch(processes)
    before = signal.set_wakeup_fd(watch.tell.fileno(), warn_on_full_buffer=False)
    watch.start()
    try:
        yield
    except RuntimeError as error:
        if watch.told:
            raise KeyboardInterrupt from error
        if failed := watch.failed():
            raise RuntimeError(f"{failed}, see above; here: {error}") from error
        raise
    finally:
        signal.set_wakeup_fd(before)
        watch.finish()


class _Watch(threading.Thread):
    """Waits for a signal, or for a process to fail, and sees that the first rank ends then.

    Attributes:
        told: the signals that were heard.
        tell: where Python writes the number of a signal as soon as it comes, whatever runs.
    """

    def __init__(self, processes: Sequence[BaseProcess]) -> None:
        super().__init__(daemon=True)
        self.processes = processes
        self.told: list[int] = []
        self._heard, self.tell = socket.socketpair()
        self.tell.setblocking(False)
        self._over = threading.Event()

    def run(self) -> None:
        if not self._is_to_end() or self._over.wait(PATIENCE):
            return
        for process in self.processes:
            process.kill()
        if self._over.wait(PATIENCE):
            return
        log.critical("This process still waits for the other ranks, which are gone: it is ended.")
        os._exit(128 + self.told[0] if self.told else 1)

    def failed(self) -> str:
        """What there is to say of the ranks that have failed; the first to end may still do so."""
        wait([process.sentinel for process in self.processes], PATIENCE)
        return self._failed()

    def _failed(self) -> str:
        for process in self.processes:
            if wait([process.sentinel], 0):  # it ends, and has no exit code yet
                process.join()
        codes = enumerate((process.exitcode for process in self.processes), 1)
        return " and ".join(f"rank {n} failed (exit code {code})" for n, code in codes if code)

    def finish(self) -> None:
        self._over.set()
        self.tell.send(b"\0")
        self.join()
        self.tell.close()
        self._heard.close()

    def _is_to_end(self) -> bool:
        """Wait until the work is over, False, or a reason to end it comes, True."""
        left = {process.sentinel: process for process in self.processes}
        while not self._over.is_set():
            for ready in wait([self._heard, *left]):
                if ready is self._heard:
                    self.told += [n for n in self._heard.recv(64) if n in _TO_END]
                else:
                    del left[ready]  # type: ignore[arg-type]
            if self.told:
                return True
            if failed := self._failed():
                log.error("  %s: the other ranks end too", failed)
                return True
        return False
