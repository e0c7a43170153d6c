"""Room on disks, in shared memory and for open files."""

import os
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import RobertaConfig, RobertaModel

from tests.doctor.machines import only
from tlbench.doctor import disk


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What every disk has free, in GB."""
    room = {"free": 50.0}
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: SimpleNamespace(free=int(room["free"] * 1e9))
    )
    return room


def test_the_nearest_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.nearest(tmp_path) == tmp_path
    assert disk.nearest(tmp_path / "a" / "b") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert disk.nearest(Path("multirun/.store")) == tmp_path


@pytest.mark.parametrize(("gb", "level"), [(50, "ok"), (10.1, "ok"), (9, "note"), (0.9, "problem")])
def test_the_room_on_a_disk(tmp_path: Path, free: dict[str, float], gb: float, level: str) -> None:
    free["free"] = gb
    found = only(disk.room("store disk", tmp_path / "store", "store_dir"))
    assert found.level == level
    assert found.found.startswith(f"{gb:.1f} GB free for {tmp_path / 'store'}")
    assert found.advice == ("" if level == "ok" else "Set store_dir to a folder on another disk.")


def test_what_is_said_of_the_default_encoder_is_its_size(
    tmp_path: Path, free: dict[str, float]
) -> None:
    config = RobertaConfig(
        num_hidden_layers=6, vocab_size=50265, max_position_embeddings=514, type_vocab_size=1
    )
    with torch.device("meta"):
        weights = 4 * sum(p.numel() for p in RobertaModel(config, False).parameters())
    free["free"] = 9
    found = only(disk.room("store disk", tmp_path, "store_dir")).found
    # A checkpoint has the two moments of AdamW too.
    assert (
        f"a checkpoint takes {3e-9 * weights:.1f} GB, and kept weights {1e-9 * weights:.1f} GB"
        in (found)
    )


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = only(disk.room("store disk", tmp_path / "file" / "store", "store_dir"))
    assert found.level == "problem"
    store = tmp_path / "file" / "store"
    assert found.found == f"{store} can't be written, nor can {tmp_path / 'file'}"
    assert found.advice == "Set store_dir to a folder of yours."


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = only(disk.room("output disk", tmp_path, "hydra.run.dir"))
    assert (found.level, found.found) == ("problem", f"{tmp_path} can't be written")


def test_shared_memory(
    tmp_path: Path, free: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert only(disk.shared_memory(tmp_path)).level == "ok"
    free["free"] = 0.067
    found = only(disk.shared_memory(tmp_path))
    assert found.level == "note"
    assert found.found == f"0.1 GB free in {tmp_path}, which num_workers and several devices need"
    assert "--shm-size" in found.advice
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert only(disk.shared_memory(tmp_path)).found.startswith(f"{tmp_path} can't be written, ")
    assert list(disk.shared_memory(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("limit", "level", "found"),
    [
        (20000, "ok", "20000 in a process"),
        (256, "note", "256 in a process, which is little for num_workers and sweeps"),
        (resource.RLIM_INFINITY, "ok", "without a limit"),
    ],
)
def test_open_files(limit: int, level: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    one = only(disk.open_files())
    assert (one.level, one.found) == (level, found)
