import os
import time
from pathlib import Path

import pytest

from tests.conftest import Run
from tlbench.store import Store
from tlbench.store_cli import main


@pytest.fixture
def store(run: Run, tmp_path: Path) -> Store:
    run("strategy=stilts", "support_task=mnli")
    return Store(tmp_path / "store")


def command(store: Store, *arguments: str) -> int:
    return main(["--store", str(store.root), *arguments])


def test_ls(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(store, "ls") == 0
    printed = capsys.readouterr().out
    assert all(key in printed for key in store.finished())
    assert "rte<-mnli" in printed


def test_verify(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(store, "verify") == 0
    assert "2 stages, 0 damaged" in capsys.readouterr().out
    (store.folder(store.finished()[0]) / "stage.json").write_text("{")
    assert command(store, "verify") == 1
    assert "2 stages, 1 damaged" in capsys.readouterr().out


def test_prune_takes_only_what_was_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = store.finished()
    (store.folder(first) / "stage.json").write_text("{")
    abandoned = store.work / "abandoned"
    abandoned.mkdir()
    os.utime(abandoned, (0, 0))
    assert command(store, "prune", "--damaged", "--dry-run") == 0
    assert store.finished() == [first, second]
    assert command(store, "prune") == 0
    assert not abandoned.exists()
    assert store.finished() == [first, second]
    assert command(store, "prune", "--damaged") == 0
    assert store.finished() == [second]


def test_prune_old_stages_and_weights(store: Store) -> None:
    old, new = store.finished()
    long_ago = time.time() - 10 * 86400
    os.utime(store.folder(old) / "stage.json", (long_ago, long_ago))
    assert command(store, "prune", "--weights") == 0
    assert not list(store.root.rglob("model.safetensors"))
    os.utime(store.folder(old) / "stage.json", (long_ago, long_ago))
    assert command(store, "prune", "--older-than", "7") == 0
    assert store.finished() == [new]
    assert command(store, "verify") == 0


def test_a_store_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", str(tmp_path / "nowhere"), "ls"]) == 1
    assert capsys.readouterr().err.startswith("Change --store: ")
