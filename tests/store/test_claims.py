import os
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.claiming import IMPORTS, die_with_claim, write_claim
from tlbench.store import claims


def test_a_claim_makes_others_wait(file: Path) -> None:
    order = []

    def second() -> None:
        with claims.hold(file, "stage"):
            order.append("second")

    with claims.hold(file, "stage"):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.5)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]
    assert list(file.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("content", ["elsewhere", "", "half a cla", "vm/4026531836 1 0\n"])
def test_a_claim_without_a_heartbeat_is_taken_over(file: Path, content: str) -> None:
    """Of another machine, or one whose process was killed before it had written who it is."""
    file.write_text(content)
    if content == "elsewhere":
        write_claim(file, content)
    assert claims.is_held(file)
    began = time.monotonic()
    with claims.hold(file, "stage") as claim:
        assert time.monotonic() - began > claims.LEASE
        claim.check()
    assert list(file.parent.iterdir()) == []


def test_a_claim_without_a_heartbeat_does_not_count_as_held_for_ever(file: Path) -> None:
    write_claim(file, "elsewhere")
    os.utime(file, (0, 0))
    assert not claims.is_held(file)


@pytest.mark.usefixtures("short")
def test_a_heartbeat_keeps_a_claim_fresh(file: Path) -> None:
    with claims.hold(file, "stage"):
        os.utime(file, (0, 0))
        time.sleep(0.5)
        assert time.time() - file.stat().st_mtime < 5


@pytest.mark.usefixtures("short")
def test_a_lost_claim_is_an_error_and_the_winners_is_left_alone(file: Path) -> None:
    def lose() -> None:
        with claims.hold(file, "stage 1") as claim:
            file.unlink()
            write_claim(file, "elsewhere")
            os.utime(file, (1, 1))
            time.sleep(0.5)
            claim.check()

    with pytest.raises(claims.ClaimLostError, match=r"^Another process has taken over stage 1: "):
        lose()
    assert "host=elsewhere" in file.read_text()
    assert file.stat().st_mtime == 1


def test_an_error_after_a_claim_is_lost_is_that_of_the_loss(file: Path) -> None:
    def fail(lost: bool) -> None:
        with claims.hold(file, "stage"):
            if lost:
                file.unlink()
            raise FileNotFoundError("the folder was renamed")

    with pytest.raises(FileNotFoundError):
        fail(lost=False)
    with pytest.raises(claims.ClaimLostError):
        fail(lost=True)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("exchange", [True, False])
def test_two_never_hold_a_claim_on_a_slow_file_system(
    file: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, exchange: bool
) -> None:
    """Ten want a claim that a dead process has left, where to remove and rename takes time."""
    if not exchange:
        request.getfixturevalue("no_exchange")
    for name in ("unlink", "rename"):

        def slow(*arguments: object, call: object = getattr(os, name), **options: object) -> None:
            time.sleep(random.uniform(0, 0.05))
            call(*arguments, **options)  # type: ignore[operator]

        monkeypatch.setattr(os, name, slow)
    held: list[tuple[float, float]] = []

    def want() -> None:
        with claims.hold(file, "stage") as claim:
            began = time.monotonic()
            time.sleep(0.05)
            claim.check()
            held.append((began, time.monotonic()))

    die_with_claim(file)
    threads = [threading.Thread(target=want) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held.sort()
    assert len(held) > 5
    assert all(ended <= begun for (_, ended), (begun, _) in pairwise(held))


@pytest.mark.usefixtures("short", "no_exchange")
def test_the_faster_of_two_that_take_over_a_claim_keeps_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, faster = Path.rename, []

    def late(self: Path, target: Path) -> Path:
        if self == file and not faster:
            file.unlink()
            write_claim(file, "elsewhere")
            faster.append(time.monotonic())
        return original(self, target)

    monkeypatch.setattr(Path, "rename", late)
    die_with_claim(file)
    with claims.hold(file, "stage"):
        assert time.monotonic() - faster[0] > claims.LEASE


@pytest.mark.slow
def test_a_holder_and_a_waiting_process_may_be_suspended_together(file: Path) -> None:
    """As a suspended laptop, or jobs that a cluster suspends: nobody has missed a heartbeat."""
    code = (
        f"{IMPORTS}print('asks', flush=True)\n"
        "with claims.hold(Path(sys.argv[1]), 'stage') as claim:\n"
        "    print('holds', flush=True)\n    sys.stdin.readline()\n    claim.check()\n"
    )

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    both = [start()]
    assert both[0].stdout is not None
    while "holds" not in both[0].stdout.readline():
        pass
    both.append(start())
    assert both[1].stdout is not None
    both[1].stdout.readline()
    time.sleep(0.5)
    for process in both:
        process.send_signal(signal.SIGSTOP)
    time.sleep(2.0)
    both[1].send_signal(signal.SIGCONT)
    time.sleep(0.3)
    both[0].send_signal(signal.SIGCONT)
    time.sleep(0.5)
    stderr = [process.communicate("\n", timeout=20)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], stderr
