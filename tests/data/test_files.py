"""Files as people have them: one file, compressed, Excel's and pandas' own ways."""

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.data.test_sources import task
from tlbench.config.schema import Task
from tlbench.data.files import file_of, format_of
from tlbench.data.sources import final_split, splits
from tlbench.errors import UserError


def one(file: Path, **source: Any) -> Task:
    settings = {"path": str(file), "text": ["a"], "dev": 0.2, **source}
    return task(**settings)


def texts(definition: Task, cache: Path, name: str = "train") -> list[str]:
    found = splits(definition)[name].load(str(cache))["text_a"][:]
    return list(found)


@pytest.fixture
def frame() -> pd.DataFrame:
    labels = ["no", "yes", "yes", "yes"] * 25
    return pd.DataFrame({"a": [f"row {i}" for i in range(100)], "y": labels})


@pytest.mark.parametrize(
    "name", ["x.csv", "x.tsv", "x.jsonl", "x.parquet", "x.csv.gz", "x.tsv.bz2", "x.jsonl.xz"]
)
def test_one_file_is_cut_into_train_dev_and_test(
    tmp_path: Path, cache: Path, frame: pd.DataFrame, name: str
) -> None:
    file = tmp_path / name
    if ".parquet" in name:
        frame.to_parquet(file)
    elif ".jsonl" in name:
        frame.to_json(file, orient="records", lines=True)
    else:
        frame.to_csv(file, index=False, sep="\t" if ".tsv" in name else ",")
    definition = one(file, test=0.1)
    train, dev = (texts(definition, cache, side) for side in ("train", "dev"))
    last = final_split(definition)
    assert last is not None
    test = last.load(str(cache))
    assert (len(train), len(dev), len(test)) == (70, 20, 10)
    assert sorted([*train, *dev, *test["text_a"][:]]) == sorted(frame.a)
    assert sum(splits(definition)["dev"].load(str(cache))["label"][:]) == 15
    other = one(file, test=0.1, seed=1)
    assert texts(other, cache, "dev") != dev


def test_what_is_cut_off_is_in_the_digest(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "x.csv", index=False)
    keys = {
        splits(one(tmp_path / "x.csv", **changed))["train"].key
        for changed in (
            {},
            {"dev": 0.3},
            {"seed": 1},
            {"test": 0.1},
            {"group": "y"},
            {"strip": True},
        )
    }
    assert len(keys) == 6


def test_a_dev_file_beside_one_train_file(tmp_path: Path, cache: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame[:5].to_csv(tmp_path / "late.csv", index=False)
    assert len(texts(one(tmp_path / "x.csv", dev="late.csv"), cache, "dev")) == 5
    with pytest.raises(UserError, match=r"Add source\.dev to task 'mine': .*x\.csv is one file"):
        splits(one(tmp_path / "x.csv", dev=None))


def test_test_rows_are_read_by_who_asks_for_them(tmp_path: Path, frame: pd.DataFrame) -> None:
    """A support's are not scored, and its file of them may be elsewhere."""
    frame.to_csv(tmp_path / "train.csv", index=False)
    definition = one(tmp_path, dev="train.csv", test="not_here.csv")
    assert splits(definition).keys() == {"train", "dev"}
    with pytest.raises(
        UserError, match=r"Change source\.test .*: there is no file .*not_here\.csv"
    ):
        final_split(definition)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dev": 1.5}, "Change source.dev of task 'mine': 1.5 is no fraction to cut off train"),
        ({"dev": 0.0}, "Change source.dev .*: 0 is no fraction"),
        ({"dev": 0.5, "test": 0.5}, "Change source.dev and source.test .*: together they leave"),
        ({"train": 0.5}, "Change source.train .*: 0.5 is no fraction"),
        ({"dev": "x.csv", "group": "a"}, "Leave out source.group of task 'mine': no fraction"),
        ({"encoding": "klingon"}, "the encoding of texts: unknown encoding: klingon"),
        ({"encoding": "hex"}, "the encoding of texts: 'hex' is not a text encoding"),
        ({"delimiter": "||"}, r"the delimiter '\|\|' is not one character"),
        ({"delimiter": ""}, "the delimiter '' is not one character"),
        ({"keep": "y == 'maybe'"}, "Change source.keep .*: no row of .* is kept"),
    ],
)
def test_what_can_not_be_is_one_sentence(
    tmp_path: Path, cache: Path, frame: pd.DataFrame, changed: dict[str, Any], message: str
) -> None:
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(UserError, match=message):
        texts(one(tmp_path / "x.csv", **changed), cache)


def test_a_file_as_excel_writes_it_in_europe(tmp_path: Path, cache: Path) -> None:
    rows = 'a;y\r\n"caf\u00e9; ""bar""\r\ntwo";no\r\nna\u00efve;yes\r\n'
    (tmp_path / "train.csv").write_bytes(rows.encode("cp1252"))
    definition = one(tmp_path, dev="train.csv", delimiter=";", encoding="cp1252")
    assert texts(definition, cache) == ['caf\u00e9; "bar"\r\ntwo', "na\u00efve"]
    with pytest.raises(UserError, match=r"is not UTF-8 text .*; source\.encoding names another"):
        texts(one(tmp_path, dev="train.csv", delimiter=";"), cache)


def test_quotes_of_a_tsv_are_text_unless_the_source_says_otherwise(
    tmp_path: Path, cache: Path
) -> None:
    """GLUE's files have no quoting; those of pandas and csv.writer have."""
    frame = pd.DataFrame({"a": ['he said "hi"', "tab\there"], "y": ["no", "yes"]})
    frame.to_csv(tmp_path / "train.tsv", sep="\t", index=False)
    definition = one(tmp_path, dev="train.tsv", quoting=True)
    assert texts(definition, cache) == ['he said "hi"', "tab\there"]
    (tmp_path / "train.tsv").write_text('a\ty\n"he said ""hi"""\tno\n')
    assert texts(one(tmp_path, dev="train.tsv"), cache) == ['"he said ""hi"""']


@pytest.mark.parametrize("quoting", [None, True])
def test_lines_may_end_as_on_an_old_macintosh(
    tmp_path: Path, cache: Path, quoting: bool | None
) -> None:
    (tmp_path / "train.tsv").write_bytes(b"a\ty\rone\tno\rtwo\tyes\r")
    assert texts(one(tmp_path, dev="train.tsv", quoting=quoting), cache) == ["one", "two"]


def test_a_carriage_return_in_a_line_is_text(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "train.tsv").write_bytes(b"a\ty\none\rmore\tno\n")
    assert texts(one(tmp_path, dev="train.tsv"), cache) == ["one\rmore"]


def test_rows_are_left_out_and_ends_stripped(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "train.csv").write_text("a,y\n one ,no\ntwo,-\n three, yes \n")
    definition = one(tmp_path, dev="train.csv", keep="y != '-'", strip=True)
    assert texts(definition, cache) == ["one", "three"]
    assert splits(definition)["dev"].load(str(cache))["label"][:] == [0.0, 1.0]


def test_texts_of_several_columns(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "train.csv").write_text("title,a,y\nHelp,It is {broken},no\n,Why?,yes\n")
    template = ["{title}. {a} {{x}}", "{a}"]
    definition = one(tmp_path, dev="train.csv", text=[], template=template)
    rows = splits(definition)["train"].load(str(cache))
    assert rows["text_a"][:] == ["Help. It is {broken} {x}", ". Why? {x}"]
    assert rows["text_b"][:] == ["It is {broken}", "Why?"]


def test_all_rows_that_can_not_be_used_are_counted(tmp_path: Path, cache: Path) -> None:
    good, bad = "fine,no\n", "fine,maybe\n"
    (tmp_path / "train.csv").write_text("a,y\n" + good + 7 * bad + "one,two,three\n" + good)
    with pytest.raises(UserError) as refused:
        texts(one(tmp_path, dev="train.csv"), cache)
    said = str(refused.value)
    assert "train.csv, line 3 has the label 'maybe'" in said
    assert said.endswith("8 rows can't be used: line 3, 4, 5, 6, 7 and 3 more.")


def test_a_compressed_file_that_is_damaged_is_one_sentence(tmp_path: Path, cache: Path) -> None:
    whole = gzip.compress(b"a,y\nx,no\n" * 1000)
    for content in (b"a,y\nx,no\n", whole[:-20]):
        (tmp_path / "train.csv.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"train\.csv\.gz can't be (read|decompressed)"):
            texts(one(tmp_path, format="csv", dev="train.csv.gz"), cache)


def test_the_format_is_that_of_the_name(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl.gz").touch()
    definition = one(tmp_path)
    assert format_of(definition) == "jsonl"
    assert file_of(definition, "train", None, "jsonl") == tmp_path / "train.jsonl.gz"
    (tmp_path / "train.csv").touch()
    with pytest.raises(UserError, match=r"Add source\.format to task 'mine': the name of"):
        format_of(one(tmp_path))
