"""Whether the process that a claim names runs on this machine, and whether it has ended."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import SoftFileLease

from tests.support.claiming import IMPORTS, beating, dead_pid, die_with_claim, write_claim
from tlbench.store import claims


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


@pytest.mark.slow
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


@pytest.mark.slow
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
