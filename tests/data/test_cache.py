"""Rows and tokens on disk: damage is noticed when they are opened, and they are made again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset

from tests.store.test_integrity import DAMAGES, flip, truncate
from tests.support.experiments import Compose
from tlbench.data import cache
from tlbench.data.sources import splits
from tlbench.data.split import Split
from tlbench.data.tokenization import tokenise
from tlbench.models.encoder import load_tokenizer
from tlbench.plan.build import build
from tlbench.store.claims import ClaimLostError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def split(compose: Compose) -> Split:
    return splits(build(compose()).target.task)["dev"]


def load(split: Split, folder: Path, verify: bool = True) -> tuple[Dataset, Dataset]:
    rows = split.load(str(folder), verify)
    tokenizer = load_tokenizer("package:tlbench/assets/tiny", None)
    return rows, tokenise(rows, tokenizer, 32, str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
@pytest.mark.parametrize("kind", ["rows", "description", "tokens", "index"])
def test_what_is_damaged_is_made_again(
    split: Split,
    folder: Path,
    kind: str,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows, tokens = load(split, folder)
    expected = rows.to_dict(), tokens.to_dict()
    of_rows = Path(rows.cache_files[0]["filename"])
    file = {
        "rows": of_rows,
        "description": of_rows.with_name("dataset_info.json"),
        "tokens": Path(tokens.cache_files[0]["filename"]),
        "index": folder / "index" / f"{split.key[:32]}.json",
    }[kind]
    del rows, tokens
    damage(file)
    missing_index = kind == "index" and not file.exists()
    assert any(map(cache.damage, cache.indices(folder))) != missing_index
    again = load(split, folder)
    assert tuple(dataset.to_dict() for dataset in again) == expected
    assert not any(map(cache.damage, cache.indices(folder)))
    assert ("is damaged" in caplog.text) != missing_index
    assert (folder / ".damaged").exists() != missing_index


def test_planning_compares_sizes_and_training_checksums(
    split: Split, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SMALL", 0)
    rows, _ = load(split, folder)
    flip(Path(rows.cache_files[0]["filename"]))
    split.load(str(folder))
    assert not (folder / ".damaged").exists()
    rows = split.load(str(folder), verify=True)
    assert len(list((folder / ".damaged").glob("generator-train.arrow-*"))) == 1
    truncate(Path(rows.cache_files[0]["filename"]))
    split.load(str(folder))
    assert len(list((folder / ".damaged").glob("generator-train.arrow-*"))) == 2


def test_a_cache_from_before_there_were_checksums_is_used(split: Split, folder: Path) -> None:
    rows, _ = load(split, folder)
    written = Path(rows.cache_files[0]["filename"]).stat().st_mtime_ns
    for index in cache.indices(folder):
        index.unlink()
    rows, _ = load(split, folder)
    assert Path(rows.cache_files[0]["filename"]).stat().st_mtime_ns == written
    assert len(list(cache.indices(folder))) == 2


def test_a_process_that_has_lost_the_claim_sets_nothing_aside(
    split: Split, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process was taken to mend the cache, while this one compared checksums."""
    rows, _ = load(split, folder)
    file = Path(rows.cache_files[0]["filename"])
    truncate(file)
    damage = cache.damage

    def late(index: Path, verify: bool = True) -> list[str]:
        for claim in folder.glob("index/*.claim"):
            claim.unlink()
        return damage(index, verify)

    monkeypatch.setattr(cache, "damage", late)
    with pytest.raises(ClaimLostError):
        split.load(str(folder))
    assert file.exists()
    assert not (folder / ".damaged").exists()
