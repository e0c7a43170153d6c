import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tlbench import claims


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stage.claim"


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


def test_a_claim_without_a_heartbeat_goes_stale(file: Path) -> None:
    file.write_text("host 1 0\n")
    long_ago = time.time() - claims.STALE_AFTER - 1
    os.utime(file, (long_ago, long_ago))
    assert not claims.is_held(file)
    with claims.hold(file, "stage"):
        assert file.read_text().split()[1] == str(os.getpid())


def test_the_claim_of_a_process_of_this_host_ends_with_it(file: Path) -> None:
    code = (
        "import os, pathlib, sys; from tlbench import claims\n"
        "with claims.hold(pathlib.Path(sys.argv[1]), 'stage'): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert file.exists()
    assert not claims.is_held(file)
    with claims.hold(file, "stage"):
        assert claims.is_held(file)


@pytest.mark.parametrize("holder", ["elsewhere/1 1 0", "", "?"])
def test_of_other_holders_only_the_heartbeat_tells(file: Path, holder: str) -> None:
    file.write_text(holder)
    assert claims.is_held(file)


def test_a_heartbeat_keeps_a_claim_fresh(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT", 0.05)
    with claims.hold(file, "stage"):
        os.utime(file, (0, 0))
        time.sleep(0.5)
        assert time.time() - file.stat().st_mtime < 5
