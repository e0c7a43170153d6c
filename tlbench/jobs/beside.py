"""Runs calls beside each other, each in a process of its own that takes no other with it.

A pool of workers (joblib, concurrent.futures) ends all of its calls where one worker is killed.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

_SIGNALLED = 128  # exit codes above are of a signal, as shells have it


@dataclass(frozen=True)
class Ended:
    """A call that returns nothing: its process was ended before."""

    reason: str


def run(calls: Sequence[Callable[[], Any]], environments: Sequence[Mapping[str, str]]) -> list[Any]:
    """Run calls at the same time; return what each returns, or ``Ended``.

    SIGTERM reaches all of them. They answer it as the workers of a pool do (``jobs.signals``).

    Args:
        calls: each is pickled, and so is what it returns.
        environments: variables that each process has beside those of this one.

    Raises:
        SystemExit: once all have ended, after a SIGTERM; so does an exit of a signal's handler,
            as submitit's at the time limit.
    """
    from submitit.core.utils import UncompletedJobError

    processes = _Processes()
    earlier = signal.signal(signal.SIGTERM, processes.tell)
    try:
        with _held_back():
            for number, (call, variables) in enumerate(zip(calls, environments, strict=True)):
                processes.start(number, call, variables)
        processes.wait()
    except UncompletedJobError as error:  # the time is over, and it is requeued no more
        ended = Ended(f"{type(error).__name__}: {error}")
        left = dict.fromkeys((number for number, _ in processes.running.values()), ended)
        processes.end()
        return [(processes.outcomes | left)[number] for number in range(len(calls))]
    except BaseException:
        processes.end()
        raise
    finally:
        signal.signal(signal.SIGTERM, earlier)
    if processes.is_told:
        raise SystemExit(_SIGNALLED + signal.SIGTERM)
    return [processes.outcomes[number] for number in range(len(calls))]


class _Processes:
    """The processes of calls.

    Attributes:
        running: by what each returns through, its number and itself.
        outcomes: by number what was returned, or ``Ended``.
        is_told: whether all were told to stop.
    """

    def __init__(self) -> None:
        self.running: dict[Connection, tuple[int, BaseProcess]] = {}
        self.outcomes: dict[int, Any] = {}
        self.is_told = False

    def start(self, number: int, call: Callable[[], Any], variables: Mapping[str, str]) -> None:
        import cloudpickle  # as submitit: what Hydra runs may be defined in a script

        # Spawned: threads, locks and signals' handlers of this process are none of theirs.
        context = get_context("spawn")
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(cloudpickle.dumps(call), writer))
        with _variables(variables):
            process.start()
        writer.close()  # so that the end of the process is the end of what can be read
        self.running[reader] = number, process

    def wait(self) -> None:
        """Wait for all that run."""
        while self.running:
            for reader in connection.wait(list(self.running)):
                assert isinstance(reader, Connection)
                number, process = self.running[reader]
                self.outcomes[number] = _received(reader, process)
                del self.running[reader]
                reader.close()

    def tell(self, *_: object) -> None:
        """Have all save where they are, and end."""
        if self.is_told:
            return
        self.is_told = True
        for _number, process in self.running.values():
            process.terminate()

    def end(self) -> None:
        """Have all save where they are, and wait for them."""
        self.tell()
        self.wait()


def _call(pickled: bytes, writer: Connection) -> None:
    """Make a call, in its process."""
    import cloudpickle

    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    writer.send_bytes(cloudpickle.dumps(cloudpickle.loads(pickled)()))


def _received(reader: Connection, process: BaseProcess) -> Any:
    """Return what a process has returned, or ``Ended``."""
    import cloudpickle

    try:
        returned = reader.recv_bytes()
    except (EOFError, OSError):  # nothing, or not all of it
        process.join()
        return Ended(f"its process was ended by {_cause(process.exitcode or 0)}")
    process.join()
    return cloudpickle.loads(returned)


def _cause(code: int) -> str:
    number = -code if code < 0 else code - _SIGNALLED
    if number in {one.value for one in signal.Signals}:
        return signal.Signals(number).name
    return f"exit code {code}"


@contextmanager
def _held_back() -> Iterator[None]:
    """Hold signals back until all processes are started.

    Those inherit it: the signal of submitit, which may reach all processes of a Slurm job and
    would end them, is for this one alone.
    """
    from submitit import JobEnvironment

    limit = signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, limit})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _variables(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]
