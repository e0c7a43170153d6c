"""What the store needs of a file system, tried on a good one and on bad ones."""

import os
import shutil
from pathlib import Path

import pytest

from tests.doctor.machines import only
from tlbench.doctor import store_needs


def test_a_good_file_system_and_nothing_is_left_on_it(tmp_path: Path) -> None:
    store = tmp_path / "study" / "store"
    found = only(store_needs.store_needs(store))
    assert found.level == "ok"
    assert found.found == f"in {tmp_path} claims, exclusive files and atomic renames work"
    assert list(tmp_path.iterdir()) == []
    store.mkdir(parents=True)
    assert only(store_needs.store_needs(store)).found.startswith(f"in {store} claims")
    assert list(store.iterdir()) == []


def test_nothing_is_tried_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = only(store_needs.store_needs(tmp_path / "file"))
    assert (found.level, found.found) == (
        "note",
        f"nothing was tried, as {tmp_path / 'file'} can't be written (Not a directory)",
    )


def test_renames_that_replace_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def over(self: Path, target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", over)
    found = only(store_needs.store_needs(tmp_path))
    assert found.level == "problem"
    assert found.found == (
        f"the file system of {tmp_path} renames a folder over one that is not empty"
    )
    assert found.advice == "Set store_dir to a folder on another one."


def test_exclusive_files_that_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def not_exclusive(path: str, flags: int, *more: int, **options: int) -> int:
        return opened(path, flags & ~os.O_EXCL, *more, **options)

    monkeypatch.setattr(os, "open", not_exclusive)
    found = only(store_needs.store_needs(tmp_path))
    assert found.level == "problem"
    assert "creates a file exclusively that is there already" in found.found


def test_a_file_system_that_refuses_a_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    found = only(store_needs.store_needs(tmp_path))
    assert found.level == "problem"
    assert found.found.endswith("refuses: [Errno 1] Operation not permitted")


@pytest.mark.parametrize(("ahead", "level"), [(0, "ok"), (3600, "note"), (-3600, "note")])
def test_clocks_that_differ(
    tmp_path: Path, ahead: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = store_needs.time.time
    (tmp_path / "trial").mkdir()
    monkeypatch.setattr(store_needs, "_TRIALS", ())
    monkeypatch.setattr(store_needs.time, "time", lambda: now() + ahead)
    found = only(store_needs.store_needs(tmp_path))
    assert found.level == level
    assert (" s off this machine's" in found.found) == bool(ahead)
