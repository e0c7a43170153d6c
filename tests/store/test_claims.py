import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from filelock import SoftFileLease

from tlbench.store import claims

SHORT = "claims.HEARTBEAT, claims.LEASE, claims.POLL = 0.1, 1.0, 0.1"
IMPORTS = f"""
import os, sys, time
from pathlib import Path
from tlbench.store import claims
{SHORT}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stage.claim"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of a second."""
    for name, seconds in {"HEARTBEAT": 0.1, "LEASE": 1.0, "POLL": 0.1}.items():
        monkeypatch.setattr(claims, name, seconds)


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which two names can't be exchanged, as NFS: filelock is told no there."""
    modules = [m for name, m in sys.modules.items() if name.startswith("filelock")]
    exchanging = [module for module in modules if hasattr(module, "exchange_names")]
    assert exchanging
    for module in exchanging:
        monkeypatch.setattr(module, "exchange_names", lambda *_: False)


def write_claim(file: Path, host: str, pid: int = 1, boot: int | None = None) -> None:
    """A claim as a process of another machine would write it."""
    start = "" if boot is None else f"start={boot << 64 | 1}\n"
    lines = f"pid={pid}\nhost={host}\nmode=lease\ntoken=abc\nduration={claims.LEASE}\n{start}"
    file.write_text(f"filelock/2\n{lines}")


@contextmanager
def beating(file: Path) -> Iterator[None]:
    """Another machine's heartbeat, which ends with its claim."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.1):
            os.utime(file)
        file.unlink()

    heart = threading.Thread(target=beat)
    heart.start()
    yield
    over.set()
    heart.join()


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def die_with_claim(file: Path) -> None:
    code = f"{IMPORTS}with claims.hold(Path(sys.argv[1]), 'stage'): os._exit(1)"
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert file.exists()


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


def test_the_claim_of_a_process_of_this_machine_ends_with_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "POLL", 0.1)
    code = f"{IMPORTS}claims.LEASE = 60.0\nwith claims.hold(Path(sys.argv[1]), ''): os._exit(1)"
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert file.exists()
    assert not claims.is_held(file)
    with claims.hold(file, "stage"):  # it would take a minute
        assert claims.is_held(file)


@pytest.mark.usefixtures("short", "no_exchange")
def test_it_ends_as_well_where_names_cannot_be_exchanged(file: Path) -> None:
    die_with_claim(file)
    with claims.hold(file, "stage") as claim:
        claim.check()
    assert list(file.parent.iterdir()) == []


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


def test_a_claim_is_not_thought_to_be_held_for_ever(file: Path) -> None:
    write_claim(file, "elsewhere")
    os.utime(file, (0, 0))
    assert not claims.is_held(file)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("host", ["elsewhere", f"{socket.gethostname()}?pidns-1"])
def test_a_heartbeat_from_elsewhere_keeps_a_claim(file: Path, host: str) -> None:
    """Whatever its PID is here."""
    write_claim(file, host, dead_pid())
    order = []

    def second() -> None:
        with claims.hold(file, "stage"):
            order.append("second")

    with beating(file):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(2 * claims.LEASE)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("boot", [None, 5])
def test_hosts_of_one_name_do_not_take_each_other_for_dead(file: Path, boot: int | None) -> None:
    with claims.hold(file, "stage"):
        host = SoftFileLease(file).owner.hostname  # type: ignore[union-attr]
    write_claim(file, host, dead_pid(), boot)
    assert claims.is_held(file)
    began = time.monotonic()
    with beating(file), pytest.raises(TimeoutError):
        wait_a_while(file)
    write_claim(file, host, dead_pid(), boot)
    with claims.hold(file, "stage"):
        assert time.monotonic() - began > claims.LEASE


def wait_a_while(file: Path) -> None:
    """Wait for a claim for two leases."""

    def enough(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, enough)
    signal.setitimer(signal.ITIMER_REAL, 2 * claims.LEASE)
    try:
        with claims.hold(file, "stage"):
            pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.usefixtures("short")
def test_a_heartbeat_keeps_a_claim_fresh(file: Path) -> None:
    with claims.hold(file, "stage"):
        os.utime(file, (0, 0))
        time.sleep(0.5)
        assert time.time() - file.stat().st_mtime < 5


@pytest.mark.usefixtures("short")
def test_who_has_lost_a_claim_is_told_and_leaves_the_winners_alone(file: Path) -> None:
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


def test_what_fails_once_a_claim_is_lost_fails_by_that(file: Path) -> None:
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
def test_who_was_faster_to_take_over_a_claim_keeps_it(
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


def test_a_holder_and_who_waits_may_be_stopped_together(file: Path) -> None:
    """As a suspended laptop, or jobs that a cluster suspends: nobody has missed a heartbeat."""
    code = (
        f"{IMPORTS}print('asks', flush=True)\n"
        "with claims.hold(Path(sys.argv[1]), 'stage') as claim:\n"
        "    print('holds', flush=True)\n    sys.stdin.readline()\n    claim.check()\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    ]
    assert both[0].stdout is not None
    while "holds" not in both[0].stdout.readline():
        pass
    both.append(
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    )
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
    said = [process.communicate("\n", timeout=20)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
