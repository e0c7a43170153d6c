import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tlbench.errors import UserError
from tlbench.store.claims import Claim, ClaimLostError
from tlbench.store.store import CHECKPOINT, Store

KEY = "0123456789abcdef"


def manifest_with(weights: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"weights": list(weights), "tasks": {}, "steps": 1}


def commit(store: Store, weights: tuple[str, ...] = (), text: str = "x") -> None:
    with store.claim(KEY) as claim, store.work_folder(KEY, claim) as work:
        (work / "predictions").mkdir()
        (work / "predictions" / "rte.parquet").write_text(text)
        for task in weights:
            (work / "weights" / task).mkdir(parents=True)
            (work / "weights" / task / "model.safetensors").write_text(text)
        store.commit(KEY, work, manifest_with(weights), claim)


def set_aside_damaged(store: Store) -> None:
    with store.claim(KEY) as claim:
        store.set_aside_damaged(KEY, claim)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_committed_stage_is_found(store: Store) -> None:
    assert store.find(KEY) is None
    commit(store)
    manifest = store.find(KEY)
    assert manifest is not None
    assert manifest["key"] == KEY
    assert store.finished() == [KEY]
    assert [stage["key"] for stage in store.stages()] == [KEY]
    assert list(store.work.iterdir()) == []


def test_what_is_not_committed_leaves_nothing(store: Store) -> None:
    def cut_off() -> None:
        with store.claim(KEY) as claim, store.work_folder(KEY, claim) as work:
            (work / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert store.find(KEY) is None
    assert list(store.work.iterdir()) == []


def test_a_second_finisher_discards_its_copy(store: Store) -> None:
    commit(store, text="first")
    commit(store, text="second")
    assert (store.folder(KEY) / "predictions" / "rte.parquet").read_text() == "first"


def test_a_copy_with_weights_replaces_one_without(store: Store) -> None:
    commit(store)
    assert store.find(KEY, weights_of=("rte",)) is None
    commit(store, ("rte",))
    assert store.find(KEY, weights_of=("rte",))
    assert (store.weights(KEY, "rte") / "model.safetensors").is_file()
    assert store.damage(KEY) == []


def test_a_folder_whose_name_is_no_key_is_no_stage(store: Store) -> None:
    (store.root / "my_study" / "rte-single-seed0-0123abcd").mkdir(parents=True)
    commit(store)
    assert store.finished() == [KEY]


def test_damage_is_named(store: Store) -> None:
    commit(store, ("rte",))
    assert store.damage(KEY) == []
    (store.folder(KEY) / "predictions" / "rte.parquet").write_text("y")
    (store.weights(KEY, "rte") / "model.safetensors").unlink()
    assert store.damage(KEY) == [
        "predictions/rte.parquet has changed",
        "weights/rte/model.safetensors is missing",
    ]
    (store.folder(KEY) / "stage.json").unlink()
    assert store.damage(KEY) == ["stage.json is missing"]
    assert store.finished() == [KEY]


def test_any_flipped_byte_of_a_manifest_is_noticed(store: Store) -> None:
    commit(store, ("rte",))
    file = store.folder(KEY) / "stage.json"
    sound, content = store.find(KEY), file.read_bytes()
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        manifest = store.find(KEY)
        if manifest is not None:  # the checksum's own name: then it is taken for one without
            assert manifest.items() >= sound.items()
            assert b'"checksum"' not in file.read_bytes()
        else:
            assert store.damage(KEY)[0].startswith("stage.json: ")


def test_a_manifest_from_before_checksums_is_believed_if_it_is_of_the_stage(store: Store) -> None:
    commit(store)
    file = store.folder(KEY) / "stage.json"
    content = json.loads(file.read_text())
    del content["checksum"]
    for changed, sound in [
        ({}, True),
        ({"key": "0"}, False),
        ({"schema": 2}, False),
        ({"files": []}, False),
        ({"weights": None}, False),
    ]:
        file.write_text(json.dumps(content | changed))
        assert (store.find(KEY) is not None) == sound
        assert (store.damage(KEY) == []) == sound


def test_damaged_weights_matter_only_to_stages_that_start_from_them(store: Store) -> None:
    commit(store, ("rte", "mnli"))
    file = store.weights(KEY, "rte") / "model.safetensors"
    file.write_bytes(b"y")
    assert store.find_sound(KEY)
    assert store.find_sound(KEY, ("mnli",))
    assert store.find_sound(KEY, ("rte",)) is None


def test_a_damaged_stage_is_set_aside_and_committed_anew(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    commit(store, ("rte",), "first")
    file = store.weights(KEY, "rte") / "model.safetensors"
    file.write_text("fürst")
    set_aside_damaged(store)
    assert store.find(KEY) is None
    assert store.finished() == []
    (kept,) = (store.root / ".damaged").iterdir()
    assert (kept / "weights" / "rte" / "model.safetensors").read_text() == "fürst"
    assert f"{store.folder(KEY)} is damaged (weights/rte/model.safetensors has" in caplog.text
    commit(store, ("rte",), "second")
    set_aside_damaged(store)  # it is sound
    assert file.read_text() == "second"


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def lost(store: Store) -> Claim:
    """A claim that is the process's no more."""
    with store.claim(KEY) as claim:
        return claim


def test_a_process_that_has_lost_the_claim_touches_nothing(store: Store, lost: Claim) -> None:
    with store.claim(KEY) as claim, store.work_folder(KEY, claim) as won:
        (won / CHECKPOINT).touch()
        with pytest.raises(ClaimLostError):
            store.commit(KEY, won, manifest_with(), lost)
        with pytest.raises(ClaimLostError), store.work_folder(KEY, lost):
            pass
        assert files(won) == {CHECKPOINT: b""}
        (won / CHECKPOINT).unlink()
    commit(store)
    (store.folder(KEY) / "predictions" / "rte.parquet").write_text("damaged")
    with pytest.raises(ClaimLostError):
        store.set_aside_damaged(KEY, lost)
    assert store.finished() == [KEY]
    assert store.damage(KEY) == ["predictions/rte.parquet has changed"]


def test_a_folder_that_is_taken_over_shares_no_open_file_with_its_former_owner(
    store: Store,
) -> None:
    """The loser may have been stopped while it wrote its next checkpoint."""
    old = store.work / f"{KEY}-0"
    old.mkdir(parents=True)
    (old / CHECKPOINT).write_text("sound")
    with (old / "last.draft").open("w") as half:
        with store.claim(KEY) as claim, store.work_folder(KEY, claim) as won:
            (won / "last.draft").write_text("whole")
            half.write("the loser's")
            half.flush()
            assert files(won) == {CHECKPOINT: b"sound", "last.draft": b"whole"}
        assert not old.exists()


def test_a_folder_that_is_removed_while_it_is_looked_at_is_none(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = store.work / f"{KEY}-0"
    interrupted.mkdir(parents=True)
    (interrupted / CHECKPOINT).touch()
    original = Path.rename

    def late(self: Path, target: Path) -> Path:
        shutil.rmtree(interrupted, ignore_errors=True)
        return original(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with store.claim(KEY) as claim, store.work_folder(KEY, claim) as work:
        assert list(work.iterdir()) == []


def test_of_two_that_finish_together_one_commits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other takes over, and comes between this one's last look and its rename."""
    original = Path.rename

    def late(self: Path, target: Path) -> Path:
        if target == store.folder(KEY):
            monkeypatch.setattr(Path, "rename", original)
            (store.work / f"{KEY}.claim").unlink()
            commit(store, text="first")
        return original(self, target)

    monkeypatch.setattr(Path, "rename", late)
    commit(store, text="second")
    monkeypatch.setattr(Path, "rename", original)
    kept = store.folder(KEY) / "predictions" / "rte.parquet"
    assert kept.read_text() == "first"
    commit(store, text="third")
    assert kept.read_text() == "first"


def test_weights_can_be_dropped(store: Store) -> None:
    commit(store, ("rte",))
    store.drop_weights(KEY)
    assert store.find(KEY)
    assert store.find(KEY, weights_of=("rte",)) is None
    assert store.damage(KEY) == []


def test_an_unwritable_folder_is_named_by_who_needs_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(UserError, match="Change store_dir: "), store.claim(KEY):
        pass


def test_looking_into_a_store_makes_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert store.find(KEY) is None
    assert store.finished() == []
    assert not store.is_claimed(KEY)
    assert not store.root.exists()
