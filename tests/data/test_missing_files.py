"""Files that are not there: the sentence names the key, and what is called like them."""

from pathlib import Path
from typing import Any

import pytest

from tests.data.test_sources import task
from tlbench.data.sources import final_split, splits
from tlbench.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of data as people have it, and nothing else in the folder above."""
    data = tmp_path / "data"
    (data / "split").mkdir(parents=True)
    for name in ("tickets.csv", "tickets.jsonl", "split/train.csv"):
        (data / name).write_text("a,y\none,no\n")
    return data


def refusal(**source: Any) -> str:
    with pytest.raises(UserError) as refused:
        splits(task(**{"text": ["a"], "dev": 0.5, **source}))
    return str(refused.value)


@pytest.mark.parametrize("dev", [0.5, None, "late.csv"])
@pytest.mark.parametrize("more", [{}, {"format": "csv"}, {"train": "x.csv"}])
def test_a_misspelt_file_is_named_with_the_one_that_is_like_it(
    folder: Path, dev: Any, more: dict[str, Any]
) -> None:
    assert refusal(path=str(folder / "ticket.csv"), dev=dev, **more) == (
        f"Change source.path of task 'mine': there is no file {folder}/ticket.csv; did you mean "
        "tickets.csv?"
    )


@pytest.mark.parametrize("name", ["nothing.tsv", "other.parquet", "x.jsonl.gz"])
def test_a_file_like_no_other(folder: Path, name: str) -> None:
    said = refusal(path=str(folder / name))
    assert said == f"Change source.path of task 'mine': there is no file {folder / name}."


def test_a_folder_that_is_not_there_is_named_alone(folder: Path) -> None:
    for path in ("dat/tickets.csv", "dat"):
        said = refusal(path=str(folder.parent / path))
        assert said.startswith(
            f"Change source.path of task 'mine': there is no folder {folder.parent}/dat"
        )
        assert said.endswith("; did you mean data?")
    assert refusal(path="org/name").endswith("(a dataset of the hub has source.format=hub).")


def test_files_of_a_folder(folder: Path) -> None:
    split = str(folder / "split")
    assert refusal(path=str(folder)) == (
        f"Change source.path of task 'mine', or add source.train: the folder {folder} has none of "
        "train.tsv, train.csv, train.jsonl, train.parquet, train.conll, "
        "train.conllu."
    )
    assert refusal(path=split, dev=None) == (
        f"Add source.dev to task 'mine': there is no file {split}/dev.csv; give a fraction to cut "
        "off train, or another file."
    )
    assert refusal(path=split, train="trian.csv") == (
        f"Change source.train of task 'mine': there is no file {split}/trian.csv; did you mean "
        "train.csv?"
    )
    assert refusal(path=split, dev="train.csv", more_dev={"late": "x.csv"}).startswith(
        "Change source.more_dev.late of task 'mine': there is no file "
    )
    assert refusal(path=str(folder / "tickets.csv"), dev="d.csv").startswith(
        f"Change source.dev of task 'mine': there is no file {folder}/d.csv"
    )
    with pytest.raises(UserError, match=r"Change source\.test of task 'mine': there is no file "):
        final_split(task(path=split, text=["a"], test="x.csv"))


def test_files_of_glue_are_those_of_the_suite(folder: Path) -> None:
    said = refusal(format="tsv", path=str(folder / "RTE"))
    assert "(for GLUE's files: suite.root): there is no folder " in said
