"""Machines that are not this one."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.doctor.machines import Gpus


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Gpus:
    """Have torch find GPUs of these names, gibibytes and compute capabilities."""

    def there(*found: tuple[str, int, tuple[int, int]]) -> None:
        properties = [
            SimpleNamespace(name=name, total_memory=memory * 2**30, major=major, minor=minor)
            for name, memory, (major, minor) in found
        ]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(properties))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(properties))
        monkeypatch.setattr(torch.cuda, "get_device_properties", properties.__getitem__)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    there()
    return there


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH, outside of any Slurm job."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return folder
