import sys
from pathlib import Path

import pytest

from tlbench.store import claims


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
