from pathlib import Path
from typing import Any

import pytest

from tlbench.errors import UserError
from tlbench.store import Store

KEY = "0123456789abcdef"


def found(weights: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"weights": list(weights), "tasks": {}, "steps": 1}


def commit(store: Store, weights: tuple[str, ...] = (), text: str = "x") -> None:
    with store.work_folder(KEY) as work:
        (work / "predictions").mkdir()
        (work / "predictions" / "rte.parquet").write_text(text)
        for task in weights:
            (work / "weights" / task).mkdir(parents=True)
            (work / "weights" / task / "model.safetensors").write_text(text)
        store.commit(KEY, work, found(weights))


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
        with store.work_folder(KEY) as work:
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
    assert store.find(KEY, weights_of="rte") is None
    commit(store, ("rte",))
    assert store.find(KEY, weights_of="rte")
    assert (store.weights(KEY, "rte") / "model.safetensors").is_file()
    assert store.damage(KEY) == []


def test_damage_is_named(store: Store) -> None:
    commit(store, ("rte",))
    assert store.damage(KEY) == []
    (store.folder(KEY) / "predictions" / "rte.parquet").write_text("y")
    (store.weights(KEY, "rte") / "model.safetensors").unlink()
    assert store.damage(KEY) == [
        "predictions/rte.parquet has changed",
        "weights/rte/model.safetensors is missing",
    ]
    (store.folder(KEY) / "stage.json").write_text("{")
    assert "can't be read" in store.damage(KEY)[0]
    with pytest.raises(UserError, match=r"Remove .* or change store_dir"):
        store.find(KEY)


def test_weights_can_be_dropped(store: Store) -> None:
    commit(store, ("rte",))
    store.drop_weights(KEY)
    assert store.find(KEY)
    assert store.find(KEY, weights_of="rte") is None
    assert store.damage(KEY) == []


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Change store_dir: "):
        Store(tmp_path / "file" / "store")
