"""Ends the ranks of a stage together: all of them if one fails or a signal asks for it.

A rank that waits for the others in a collective operation runs no Python, so it reacts to no
signal, and if the others never come it waits for ever. So a thread of the first rank watches.
Gloo's operations fail once a process has ended, and the first rank goes on with an error; where
that does not help (NCCL, or ranks that have not met yet) the thread ends the process.
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

PATIENCE = 10.0  # seconds for the first rank to end by itself, and again once the others have ended
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_together(processes: Sequence[BaseProcess]) -> Iterator[None]:
    """Run the work of the first rank, in the main thread; end all ranks if one has to end.

    Args:
        processes: the other ranks, from 1 on.

    Raises:
        KeyboardInterrupt: if the work has failed because of a signal to end.
        RuntimeError: if it has failed because another rank has.
    """
    watch = _Watch(processes)
    previous_fd = signal.set_wakeup_fd(watch.wakeup.fileno(), warn_on_full_buffer=False)
    watch.start()
    try:
        yield
    except RuntimeError as error:  # gloo's, of an operation whose other ranks have ended
        if watch.signals:
            raise KeyboardInterrupt from error
        if failures := watch.wait_for_failures():
            raise RuntimeError(f"{failures}, see above; here: {error}") from error
        raise
    finally:
        signal.set_wakeup_fd(previous_fd)
        watch.finish()


class _Watch(threading.Thread):
    """Waits for a signal, or for a process to fail, and makes sure that the first rank then ends.

    Attributes:
        signals: the numbers of those that came.
        wakeup: where Python writes the number of a signal as soon as it comes, whatever runs.
    """

    def __init__(self, processes: Sequence[BaseProcess]) -> None:
        super().__init__(daemon=True)
        self.processes = processes
        self.signals: list[int] = []
        self._receiver, self.wakeup = socket.socketpair()
        self.wakeup.setblocking(False)  # as signal.set_wakeup_fd requires
        self._over = threading.Event()
        # Of two threads that ask at once how a process has ended, one would be told that it is not
        # known: the operating system says it once.
        self._asking = threading.Lock()

    def run(self) -> None:
        # Gloo's operations fail within the patience; then the work is over.
        if not self._has_to_end() or self._over.wait(PATIENCE):
            return
        for process in self.processes:
            process.kill()
        if self._over.wait(PATIENCE):
            return
        log.critical("This process still waits for the other ranks, which have ended: it is ended.")
        os._exit(128 + self.signals[0] if self.signals else 1)  # as a shell reports a signal

    def wait_for_failures(self) -> str:
        """Return which ranks have failed and how, after waiting for any rank to end; else ""."""
        wait([process.sentinel for process in self.processes], PATIENCE)
        return self._failures()

    def _failures(self) -> str:
        with self._asking:
            for process in self.processes:
                if wait([process.sentinel], 0):
                    process.join()  # it may be about to end, without an exit code as yet
            codes = [*enumerate((process.exitcode for process in self.processes), 1)]
        return " and ".join(f"rank {n} failed (exit code {code})" for n, code in codes if code)

    def finish(self) -> None:
        self._over.set()
        self.wakeup.send(b"\0")  # of no signal: only ends the wait
        self.join()
        self.wakeup.close()
        self._receiver.close()

    def _has_to_end(self) -> bool:
        """Wait until the work is over (False) or there is a reason to end it (True)."""
        running = {process.sentinel: process for process in self.processes}
        while not self._over.is_set():
            for ready in wait([self._receiver, *running]):
                if ready is self._receiver:
                    self.signals += [n for n in self._receiver.recv(64) if n in _END_SIGNALS]
                else:
                    del running[ready]  # type: ignore[arg-type]
            if self.signals:
                return True
            if failures := self._failures():
                log.error("  %s: the other ranks end too", failures)
                return True
        return False
