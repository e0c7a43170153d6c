import os
import shutil
import time
from pathlib import Path

import pytest

from tests.store.test_integrity import flip
from tests.support.experiments import Run
from tlbench.cli.store import main
from tlbench.store.store import CHECKPOINT, Store
from tlbench.store.work import TRIES

pytestmark = pytest.mark.slow


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


def test_verify_finds_all_that_is_damaged(
    store: Store,
    cache: Path,
    tmp_path: Path,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tlbench.training.best.BestPerTask.on_train_end", interrupt)
        with pytest.raises(SystemExit):
            run("seed=1", "trainer.checkpoint_steps=1", "keep_weights=all")
    (checkpoint,) = store.work.glob("*/last.ckpt")
    shutil.copytree(cache, tmp_path / "cache")
    (predictions,) = store.root.glob("*/predictions/rte.parquet")
    (heads,) = store.root.glob("*/weights/*/heads.safetensors")
    (weights,) = checkpoint.parent.glob("best/*/model.safetensors")
    places = ("--cache", str(tmp_path / "cache"), "--records", str(tmp_path))
    assert command(store, "verify", *places) == 0
    assert "1 checkpoints, 0 damaged" in capsys.readouterr().out
    rows = next(tmp_path.glob("cache/rows/**/generator-train.arrow"))
    tokens = next(tmp_path.glob("cache/rows/**/cache-*.arrow"))
    damaged = [
        store.folder(store.finished()[0]) / "stage.json",
        predictions,
        heads,
        rows,
        tokens,
        checkpoint,
        weights,
        tmp_path / "job" / "result.json",
    ]
    for file in damaged:
        content = file.read_bytes()
        flip(file)
        assert command(store, "verify", *places) == 1, file
        printed = capsys.readouterr().out
        assert printed.count(", 1 damaged") == 1, printed
        assert file.name in printed or file.parent.name in printed
        file.write_bytes(content)
    assert command(store, "verify", *places) == 0


def interrupt(*_: object) -> None:
    raise SystemExit


def test_damaged_test_scores_are_found_and_removed_without_their_stage(
    store: Store, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("suite.sources.rte.test=40")
    stages = store.finished()
    (scored,) = store.root.glob("*/test/rte-*")
    flip(scored / "predictions" / "rte.parquet")
    assert command(store, "verify") == 1
    printed = capsys.readouterr().out
    assert "1 test scores, 1 damaged" in printed
    assert f"{scored}: predictions/rte.parquet has changed" in printed
    assert command(store, "prune", "--damaged") == 0
    assert not scored.exists()
    assert store.finished() == stages
    assert command(store, "verify") == 0


def test_verify_names_a_folder_that_is_not_there(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(store, "verify", "--cache", "nowhere") == 1
    assert capsys.readouterr().err.startswith("Change --cache or --records: nowhere does not")


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


@pytest.mark.parametrize("saved", [CHECKPOINT, TRIES])
def test_prune_keeps_the_checkpoint_of_a_job_that_waits_in_a_queue(
    store: Store, capsys: pytest.CaptureFixture[str], saved: str
) -> None:
    waits = store.work / f"{'0' * 16}-abc"
    waits.mkdir()
    for path in (waits / saved, waits):
        path.touch()
        long_ago = time.time() - 10 * 86400
        os.utime(path, (long_ago, long_ago))
    for arguments in ([], ["--damaged"], ["--checkpoints", "11"]):
        assert command(store, "prune", *arguments) == 0
        assert (waits / saved).exists()
        assert capsys.readouterr().out.startswith(f"kept {waits}, ")
    with store.claim("0" * 16):
        assert command(store, "prune", "--checkpoints", "0") == 0
    assert (waits / saved).exists()
    assert command(store, "prune", "--checkpoints", "9", "--dry-run") == 0
    assert (waits / saved).exists()
    assert command(store, "prune", "--checkpoints", "9") == 0
    assert list(store.work.iterdir()) == []


def test_prune_leaves_what_a_job_has_just_gone_on_with(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waits, taken = store.work / f"{'0' * 16}-abc", store.work / f"{'0' * 16}-def"
    waits.mkdir()
    (waits / CHECKPOINT).touch()
    os.utime(waits / CHECKPOINT, (0, 0))
    is_claimed = Store.is_claimed

    def late(self: Store, key: str) -> bool:
        claimed = is_claimed(self, key)
        if waits.exists():
            waits.rename(taken)
        return claimed

    with monkeypatch.context() as patch:
        patch.setattr(Store, "is_claimed", late)
        assert command(store, "prune", "--checkpoints", "1") == 0
    assert (taken / CHECKPOINT).exists()
    assert "removed" not in capsys.readouterr().out


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


def test_a_folder_that_is_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a user means another one, nothing of theirs is taken for a damaged stage."""
    (tmp_path / "multirun" / "study").mkdir(parents=True)
    for arguments in (["ls"], ["prune", "--damaged"]):
        assert main(["--store", str(tmp_path / "multirun"), *arguments]) == 1
        assert capsys.readouterr().err.startswith("Change --store: ")
    assert [path.name for path in (tmp_path / "multirun").iterdir()] == ["study"]


@pytest.mark.parametrize("days", ["-1", "nan", "soon"])
def test_days_that_are_none(tmp_path: Path, days: str) -> None:
    with pytest.raises(SystemExit):
        main(["--store", str(tmp_path), "prune", "--older-than", days])
