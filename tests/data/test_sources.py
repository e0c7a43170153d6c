import json
import os
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tests.support.experiments import Compose
from tlbench.config.schema import Source, Task
from tlbench.config.validation import parse_config
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build

ROWS = [("one", "two", "yes"), ("three", "four", "no"), ("five", "six", "yes")]


def task(labels: list[str] | None = ["no", "yes"], **source: Any) -> Task:  # noqa: B006
    settings = {"text": ["a", "b"], "label": "y", **source}
    return Task("mine", labels, ["accuracy"], ["accuracy"], Source(**settings))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    frame = pd.DataFrame(ROWS, columns=["a", "b", "y"])
    for name in ("train", "dev"):
        frame.to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        frame.to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
        frame.to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


@pytest.mark.parametrize("file_format", ["tsv", "csv", "jsonl", "parquet"])
def test_local_files_of_every_format(files: Path, cache: Path, file_format: str) -> None:
    found = splits(task(format=file_format, path=str(files)))
    rows = found["train"].load(str(cache))
    assert rows["text_a"][:] == ["one", "three", "five"]
    assert rows["text_b"][:] == ["two", "four", "six"]
    assert rows["label"][:] == [1.0, 0.0, 1.0]


def test_one_text_and_a_number_as_label(tmp_path: Path, cache: Path) -> None:
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("a\ty\nhello\t2.5\n")
    found = splits(task(None, format="tsv", path=str(tmp_path), text=["a"]))
    rows = found["dev"].load(str(cache))
    assert rows.column_names == ["text_a", "label"]
    assert rows[0] == {"text_a": "hello", "label": 2.5}


def test_the_key_follows_the_content_not_the_place(files: Path, tmp_path: Path) -> None:
    definition = task(format="tsv", path=str(files))
    before = splits(definition)["train"].key
    other = tmp_path / "other"
    other.mkdir()
    (other / "renamed.tsv").write_bytes((files / "train.tsv").read_bytes())
    (other / "dev.tsv").write_bytes((files / "dev.tsv").read_bytes())
    moved = splits(task(format="tsv", path=str(other), train="renamed.tsv"))
    assert moved["train"].key == before
    swapped = splits(task(format="tsv", path=str(files), text=["b", "a"]))
    assert swapped["train"].key != before
    with (files / "train.tsv").open("a") as opened:
        opened.write("more\trows\tno\n")
    assert splits(definition)["train"].key != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": "xml"},
            "'xml' is not one of tsv, csv, jsonl, parquet, conll, conllu, hub, generated",
        ),
        ({"text": []}, "name one or two columns"),
        ({"text": ["a", "c"]}, "line 2 has no column 'c' .it has a, b, y."),
        ({"values": ["nope", "yes"]}, "line 3 has the label 'no', known are nope, yes"),
        ({"labels": None}, "line 2 has 'yes' where a regression needs a number"),
        ({"train": "x.tsv"}, "there is no file .*x.tsv"),
        ({"train": "x\0.tsv"}, r"x\\x00.tsv can't be read .embedded null byte"),
        ({"train": "."}, "can't be read .it is not a file"),
        ({"format": "hub", "dev": "dev"}, "can't be loaded"),  # a folder of several formats
        ({"format": "generated", "name": "x"}, "the generated suite has no 'x'"),
        ({"format": "generated", "name": "rte", "train": 0}, "rows to make, up to 1000000, not 0"),
        ({"format": "generated", "name": "rte", "train": 10**30}, "up to 1000000, not 10{30}"),
    ],
)
def test_a_wrong_source_is_one_sentence(
    files: Path, cache: Path, changes: dict[str, Any], message: str
) -> None:
    labels = changes.pop("labels", ["no", "yes"])
    definition = task(labels, **{"format": "tsv", "path": str(files), **changes})
    with pytest.raises(UserError, match=message) as raised:
        splits(definition)["train"].load(str(cache))
    assert str(raised.value).startswith("Change ")


def test_long_cells_and_every_row_come_through_the_cache(tmp_path: Path, cache: Path) -> None:
    long = "a\n" * 50_000
    rows = [{"a": text, "b": "", "y": "no"} for text in (long, "\0", "\N{OWL}", '"', "")]
    for split in ("train", "dev"):
        pd.DataFrame(rows).to_csv(tmp_path / f"{split}.csv", index=False)
    # An empty cell of a CSV is an empty text, as it is in a TSV.
    found = splits(task(format="csv", path=str(tmp_path)))["train"].load(str(cache))
    assert found["text_a"][:] == [row["a"] for row in rows]
    assert found["text_b"][:] == [""] * 5


def test_a_parquet_row_is_named_by_its_number(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "dev"):
        frame = pd.DataFrame({"a": ["x", "y"], "b": ["x", "y"], "y": ["no", None]})
        frame.to_parquet(tmp_path / f"{split}.parquet")
    definition = task(format="parquet", path=str(tmp_path))
    with pytest.raises(UserError, match=r"train\.parquet, row 2 has nothing in column 'y'"):
        splits(definition)["train"].load(str(cache))


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.tsv")
    with pytest.raises(UserError, match="it is not a file"):
        splits(task(format="tsv", path=str(tmp_path)))


def hub_folder(folder: Path) -> Path:
    """A folder laid out as nyu-mll/glue is: Parquet files and a README that names configs."""
    pair = {"sentence1": Value("string"), "sentence2": Value("string"), "idx": Value("int32")}
    names = ["entailment", "not_entailment"]
    columns = {"sentence1": ["p", "q", "r"], "sentence2": ["s", "t", "u"], "idx": [0, 1, 2]}
    (folder / "rte").mkdir(parents=True)
    configs = []
    for split, labels in (("train", [0, 1, 0]), ("validation", [0, 1, 0]), ("test", [-1] * 3)):
        features = Features({**pair, "label": ClassLabel(names=names)})
        rows = Dataset.from_dict({**columns, "label": labels}, features=features)
        rows.to_parquet(folder / "rte" / f"{split}-00000-of-00001.parquet")
        configs.append({"split": split, "path": f"rte/{split}-*"})
    card = json.dumps({"configs": [{"config_name": "rte", "data_files": configs}]})
    (folder / "README.md").write_text(f"---\n{card}\n---\n")
    return folder


def test_the_hubs_layout_from_a_local_folder(compose: Compose, tmp_path: Path, cache: Path) -> None:
    root = hub_folder(tmp_path / "glue")
    definition = parse_config(compose("suite=glue", f"suite.root={root}")).target_task
    rows = splits(definition)["dev"].load(str(cache))
    assert rows["text_a"][:] == ["p", "q", "r"]
    assert rows["label"][:] == [0.0, 1.0, 0.0]
    definition.labels = ["not_entailment", "entailment"]  # by name, not by number
    assert splits(definition)["train"].load(str(cache))["label"][:] == [1.0, 0.0, 1.0]


def test_nothing_in_a_cell_is_an_empty_text_in_every_format(tmp_path: Path, cache: Path) -> None:
    for split in ("train", "dev"):
        frame = pd.DataFrame({"a": ["x"], "b": [None], "y": ["no"]})
        frame.to_json(tmp_path / f"{split}.jsonl", orient="records", lines=True)
        frame.to_csv(tmp_path / f"{split}.csv", index=False)
        frame.to_parquet(tmp_path / f"{split}.parquet")
    for name in ("jsonl", "csv", "parquet"):
        definition = task(format=name, path=str(tmp_path))
        assert splits(definition)["train"].load(str(cache))["text_b"][:] == [""]


def test_a_local_folder_of_plain_files_as_a_hub_dataset(files: Path, cache: Path) -> None:
    (files / "data").mkdir()
    (files / "train.csv").rename(files / "data" / "train.csv")
    definition = task(format="hub", path=str(files / "data"), train="train", dev="train")
    assert splits(definition)["train"].load(str(cache))["label"][:] == [1.0, 0.0, 1.0]


class Evil:
    """A pickle of it writes a file where it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("name", ["own", "pandas"])  # datasets has had a reader called pandas
def test_a_pickle_of_rows_is_not_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    for folder in (tmp_path, tmp_path / "own"):
        for file in ("train.pkl", "train.pickle"):
            (folder / file).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(UserError, match="can't be loaded"):
        splits(task(format="hub", path=name, train="train", dev="train"))
    assert not (tmp_path / "ran").exists()


def test_unlabelled_hub_rows_are_refused(tmp_path: Path, cache: Path, compose: Compose) -> None:
    root = hub_folder(tmp_path / "glue")
    file = root / "rte" / "train-00000-of-00001.parquet"
    rows = Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "hf"))
    rows.map(lambda row: {"label": -1}).to_parquet(file)
    definition = parse_config(compose("suite=glue", f"suite.root={root}")).target_task
    with pytest.raises(UserError, match="row 0 has the label '-1'"):
        splits(definition)["train"].load(str(cache))


def test_the_test_rows_of_glue_are_refused_as_their_labels_are_withheld(
    tmp_path: Path, compose: Compose
) -> None:
    root = hub_folder(tmp_path / "glue")
    overrides = ("suite=glue", f"suite.root={root}", "+suite.sources.rte.test=test")
    with pytest.raises(UserError, match=r"^Change source.test of task 'rte'.* the label '-1'"):
        build(compose(*overrides, "subsample_size.target=null"))
