"""Calls in processes of their own, none of which takes another with it."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tlbench.jobs import signals
from tlbench.jobs.beside import Ended, run

pytest.importorskip("submitit", reason="needs tlbench[slurm]")


def variable(name: str) -> str | None:
    return os.environ.get(name)


def die(code: int) -> None:
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


def fail() -> None:
    raise ValueError("odd")


def save_when_told(file: Path) -> str:
    """Wait as a job does that does not train; what a signal makes of it is in the file."""
    with signals.job_of_worker():
        try:
            file.write_text(str(os.getpid()))
            time.sleep(60)
        except signals.Told:
            file.write_text("saved")
    return "returned"


def when(files: list[Path], do: Callable[[list[int]], object]) -> None:
    """Do something in a thread once all files have the ids of their processes."""

    def wait() -> None:
        while not all(file.exists() and file.read_text().isdigit() for file in files):
            time.sleep(0.05)
        do([int(file.read_text()) for file in files])

    threading.Thread(target=wait, daemon=True).start()


def test_all_return_in_their_order_each_with_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "outer")
    calls = [partial(variable, "MINE"), partial(variable, "MINE"), partial(variable, "OTHER")]
    assert run(calls, [{"MINE": "a"}, {}, {"OTHER": "b"}]) == ["a", "outer", "b"]
    assert (os.environ["MINE"], "OTHER" in os.environ) == ("outer", False)


def test_one_that_is_killed_or_fails_takes_no_other_with_it() -> None:
    calls = [partial(die, -signal.SIGKILL), fail, partial(die, 3), partial(variable, "PATH")]
    assert run(calls, [{}] * 4) == [
        Ended("its process was ended by SIGKILL"),
        Ended("its process was ended by exit code 1"),
        Ended("its process was ended by exit code 3"),
        os.environ["PATH"],
    ]


def test_sigterm_reaches_all_and_is_answered_once_all_have_saved(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]
    earlier = signal.getsignal(signal.SIGTERM)
    when(files, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit, match="143"):
        run([partial(save_when_told, file) for file in files], [{}] * 2)
    assert [file.read_text() for file in files] == ["saved", "saved"]
    assert signal.getsignal(signal.SIGTERM) is earlier


@pytest.mark.parametrize("is_given_up", [False, True])
def test_the_time_limit_is_for_this_process_which_has_all_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_given_up: bool
) -> None:
    """Where Slurm tracks processes by their parents, its signal reaches every process of a job."""
    from submitit.core.utils import UncompletedJobError

    def answer(*_: Any) -> None:  # as submitit's handler
        if is_given_up:
            raise UncompletedJobError("not requeued")
        raise SystemExit(-1)

    def strike(pids: list[int]) -> None:
        for pid in [*pids, os.getpid()]:
            os.kill(pid, signal.SIGUSR2)

    earlier = signal.signal(signal.SIGUSR2, answer)
    file = tmp_path / "a"
    when([file], strike)
    try:
        calls = [partial(variable, "PATH"), partial(save_when_told, file)]
        if is_given_up:
            outcomes = run(calls, [{}] * 2)
            assert outcomes[1] == Ended("UncompletedJobError: not requeued")
        else:
            with pytest.raises(SystemExit, match="-1"):
                run(calls, [{}] * 2)
    finally:
        signal.signal(signal.SIGUSR2, earlier)
    assert file.read_text() == "saved"
