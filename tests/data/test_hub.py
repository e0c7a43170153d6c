"""Datasets that are local folders, as datasets saves them and as it reads them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tests.config.test_bounds import BOMB
from tests.data.test_files import texts
from tests.data.test_sources import task
from tlbench.config.schema import Task
from tlbench.data.hub import load
from tlbench.data.sources import splits
from tlbench.errors import UserError


def of(folder: Path, **source: Any) -> Task:
    return task(**{"format": "hub", "path": str(folder), "text": ["a"], "dev": "train", **source})


@pytest.fixture
def rows() -> Dataset:
    features = Features({"a": Value("string"), "y": ClassLabel(names=["no", "yes"])})
    columns = {"a": [f"row {i}" for i in range(10)], "y": [0, 1, -1, 1, 0] * 2}
    return Dataset.from_dict(columns, features)


def test_words_that_pandas_takes_for_nothing_are_texts(tmp_path: Path, cache: Path) -> None:
    words = ["None", "null", "fine", "NA", "nan"]
    pd.DataFrame({"a": words, "y": ["no", "yes"] * 2 + ["no"]}).to_csv(
        tmp_path / "train.csv", index=False
    )
    assert texts(of(tmp_path), cache) == words


@pytest.mark.parametrize("keep", ["y != -1", "y in ('no', 'yes')"])
def test_rows_without_a_label_can_be_left_out(
    tmp_path: Path, cache: Path, rows: Dataset, keep: str
) -> None:
    rows.to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"the label '-1'.* 2 rows can't be used: row 2, 7\.$"):
        texts(of(tmp_path), cache)
    assert len(texts(of(tmp_path, keep=keep), cache)) == 8


def test_folders_of_save_to_disk(tmp_path: Path, cache: Path, rows: Dataset) -> None:
    rows.save_to_disk(str(tmp_path / "one"))
    DatasetDict(train=rows, late=rows.select(range(4))).save_to_disk(str(tmp_path / "two"))
    kept = {"keep": "y != -1", "format": None}
    assert len(texts(of(tmp_path / "one", **kept), cache)) == 8
    assert len(texts(of(tmp_path / "two", **kept, dev="late"), cache, "dev")) == 3
    assert len(texts(of(tmp_path / "one", **kept | {"dev": 0.25}), cache, "dev")) == 2


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ("train[:80%]", range(8)),
        ("train[80%:]", range(8, 10)),
        ("train[3:5]", range(3, 5)),
        ("train[:1]+train[-1:]", [0, 9]),
    ],
)
@pytest.mark.parametrize("saved", [True, False])
def test_parts_of_local_splits(
    tmp_path: Path, cache: Path, rows: Dataset, part: str, wanted: Any, saved: bool
) -> None:
    rows = rows.map(lambda row: {"y": 1})
    if saved:
        rows.save_to_disk(str(tmp_path / "x"))
    else:
        (tmp_path / "x").mkdir()
        rows.to_parquet(tmp_path / "x" / "train.parquet")
    assert texts(of(tmp_path / "x", train=part), cache) == [f"row {i}" for i in wanted]


@pytest.mark.parametrize("part", ["late", "train[:x]", "train[:80%", "train[90%:10%]+late"])
def test_a_part_that_there_is_not_is_one_sentence(tmp_path: Path, rows: Dataset, part: str) -> None:
    rows.to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match="can't be loaded"):
        splits(of(tmp_path, train=part))


def test_what_dev_is_must_be_said(tmp_path: Path, rows: Dataset) -> None:
    rows.to_parquet(tmp_path / "train.parquet")
    with pytest.raises(UserError, match=r"Add source\.dev to task 'mine': name a split of the"):
        splits(of(tmp_path, dev=None))


def test_a_card_without_bounds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("t,y\na,0\n")
    (tmp_path / "README.md").write_text(f"---\n{BOMB}---\nA dataset.\n")
    with pytest.raises(UserError, match=r"^Change .*README\.md: .* more than 50,000 values"):
        load("mine", str(tmp_path), None, "train")
