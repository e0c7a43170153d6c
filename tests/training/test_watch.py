"""A rank waits for another inside an operation in which no Python runs."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

pytestmark = pytest.mark.slow


def waiting(what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.waiting", what],
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(first: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed to both, once it and all other ranks have ended: they hold the pipes too."""
    try:
        return first.communicate(timeout=90)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)


def test_a_rank_does_its_part_and_may_have_processes_of_its_own() -> None:
    first = waiting("works")
    assert end(first)[0] == "met\ndone\n"
    assert first.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_all_ranks_though_one_waits_for_ever(number: signal.Signals) -> None:
    first = waiting("sleeps")
    assert first.stdout is not None
    assert first.stdout.readline() == "met\n"
    first.send_signal(number)
    killed = number == signal.SIGKILL
    assert end(first)[0] == ("" if killed else "KeyboardInterrupt\n")
    assert first.returncode == (-number if killed else 0)


def test_a_rank_that_fails_ends_the_others() -> None:
    first = waiting("fails")
    out, err = end(first)
    assert "ValueError: no part of this rank" in err
    assert "RuntimeError: rank 1 failed (exit code 1), see above; here: " in out
    assert first.returncode == 0


def test_a_rank_that_never_comes_ends_the_others() -> None:
    first = waiting("never_comes")
    assert "rank 1 failed (exit code 3)" in end(first)[1]
    assert first.returncode == 1
