import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tlbench.errors import UserError
from tlbench.records.packing import pack, packed_record
from tlbench.records.places import given_anew, in_words, short, shown_file, without_places
from tlbench.records.record import ResultRecord

SOURCE = {"format": "tsv", "path": "/data/glue/RTE", "train": None, "text": ["/s1"]}
CONFIG: dict[str, Any] = {
    "encoder": {"name": "/home/alice/models/mine"},
    "target_task": {"name": "rte", "source": SOURCE},
    "suite": {"root": "/data/glue", "sources": {"rte": SOURCE}},
    "logger": {"wandb": {"project": "tlbench", "entity": "alice", "save_dir": "/tmp/alice"}},
    "store_dir": "/scratch/store",
    "cache_dir": "multirun/.cache",
    "tags": ["pilot", "/home/alice"],
}
RECORD = ResultRecord(
    "s", "single", "rte", [], "mine", 0, config=CONFIG, tasks={"rte": {"source": SOURCE}}
)


def test_paths_are_shortened_and_what_is_below_the_root_stays() -> None:
    config = without_places(RECORD).config
    assert config["encoder"]["name"].startswith("path:mine-")
    assert config["suite"]["root"] == short("/data/glue")
    assert config["target_task"]["source"]["path"] == f"{short('/data/glue')}/RTE"
    assert config["target_task"]["source"]["text"] == ["/s1"]  # a column's name is no path
    assert config["logger"] == {"wandb": {"project": "tlbench"}}
    assert config["cache_dir"] == "multirun/.cache"
    assert "alice" not in repr(without_places(RECORD))
    assert without_places(without_places(RECORD)) == without_places(RECORD)


def test_the_folder_of_a_model_that_writes_rows_is_shortened() -> None:
    config = {**CONFIG, "synthesis": {"model": "/home/alice/models/writer"}}
    found = without_places(replace(RECORD, config=config)).config["synthesis"]["model"]
    assert found.startswith("path:writer-")


def test_the_folders_of_a_suites_own_keys_and_of_a_splits_are_shortened() -> None:
    hans = {"path": "/data/hans/x.txt", "split": None}
    sources = {"rte": {**SOURCE, "more_dev": {"hans": hans}}}
    suite = {"root": "/data/glue", "hans": "/data/hans", "language": "de", "sources": sources}
    found = without_places(replace(RECORD, config={**CONFIG, "suite": suite})).config["suite"]
    assert "/data" not in repr(found)
    assert (found["hans"], found["language"]) == (short("/data/hans"), "de")


def test_other_folders_of_one_name_stay_different() -> None:
    assert short("/a/enc") != short("/b/enc")
    assert short("/a/enc").rpartition("-")[0] == short("/b/enc").rpartition("-")[0] == "path:enc"


@pytest.mark.parametrize("word", ["roberta-base", "package:tlbench/assets/tiny", "data/rte", ""])
def test_what_is_no_absolute_path_stays(word: str) -> None:
    assert short(word) == word


@pytest.mark.parametrize("home", ["/home/alice", "/Users/alice"])
def test_a_home_has_no_name(home: str) -> None:
    assert "alice" not in short(home)


@pytest.mark.parametrize(
    "sentence",
    [
        "OSError: '/home/alice/my data/x.bin'",
        "clone of https://alice:ghp_1@github.com/alice/x failed",
        "Change suite.root: /home/alice/x: it can't be read",
        "ssh alice@node07 failed",
        f"refused by {socket.gethostname()}",
        "[node07]:29500 does not answer",
        "file:///home/alice/x is gone",
    ],
)
def test_sentences_name_no_path_user_or_host(sentence: str) -> None:
    said = in_words(sentence)
    hidden = ("alice", "ghp_1", "/home", "node07", f" {socket.gethostname()}")
    assert not any(word in said for word in hidden), said


def test_sentences_without_any_stay() -> None:
    said = "Change suite.root: 1/3 and/or https://pytorch.org/docs; package:tlbench/assets/tiny"
    assert in_words(said) == said


def test_files_are_named_from_their_study_on() -> None:
    assert shown_file("/data/runs/smoke/rte-single/result.json") == "smoke/rte-single/result.json"
    assert shown_file("/home/alice/rte-single/result.json") == "rte-single/result.json"


def test_a_packed_record_is_rerun_with_its_paths_given_anew(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "study" / "job")
    replace(RECORD, seed=1).write(tmp_path / "study" / "other")
    pack([tmp_path / "study"], tmp_path / "packed.parquet")
    packed = packed_record(tmp_path / "packed.parquet", "job")
    with pytest.raises(UserError, match=r"Add suite\.root=<path>: the record was published with"):
        given_anew(packed, ["encoder.name=/m/enc"])
    with pytest.raises(UserError, match=r"Add encoder\.name=<path>"):
        given_anew(packed, ["suite.root=/my/glue"])
    asked = ["suite.root='/my/glue/'", "trainer.accelerator=cpu", "encoder.name=/m/enc"]
    record, others = given_anew(packed, asked)
    assert others == ["trainer.accelerator=cpu"]
    assert record.config["target_task"]["source"]["path"] == "/my/glue/RTE"
    assert record.tasks["rte"]["source"]["path"] == "/my/glue/RTE"
    assert record.config["encoder"]["name"] == "/m/enc"


@pytest.mark.parametrize("root", ["/data/glue", "../data/", "data"])
def test_another_root_moves_what_lies_below_it_and_nothing_else(root: str) -> None:
    below = SOURCE | {"path": f"{root.rstrip('/')}/RTE", "text": ["data/s1"], "root": "/data/glued"}
    task = {"name": "data", "labels": ["data", "no"], "source": below}
    config = CONFIG | {"target_task": task, "suite": {"root": root, "sources": {"rte": below}}}
    old = replace(RECORD, config=config, tasks={"data": task})
    new, others = given_anew(old, ["suite.root='/my/glue/'"])
    moved = task | {"source": below | {"path": "/my/glue/RTE"}}
    assert new.config["target_task"] == new.tasks["data"] == moved
    assert new.config["suite"]["root"] == "/my/glue"
    assert new.config["encoder"] == CONFIG["encoder"]
    assert others == ["suite.root='/my/glue/'"]  # a run with a config of its own is told, too


def test_a_name_that_is_no_packed_record_is_a_sentence(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "study" / "job")
    pack([tmp_path / "study"], tmp_path / "packed.parquet")
    assert packed_record(tmp_path / "packed.parquet", ".").seed == 0
    with pytest.raises(UserError, match=r"packed\.parquet/<record>: it has no records of that"):
        packed_record(tmp_path / "packed.parquet", "nope")


def test_with_paths_a_packed_record_is_as_it_was(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "study" / "job")
    pack([tmp_path / "study"], tmp_path / "packed.parquet", paths=True)
    assert packed_record(tmp_path / "packed.parquet", "job").config == CONFIG
