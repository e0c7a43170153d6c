import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.test_integrity import DAMAGES
from tlbench.errors import UserError
from tlbench.records.provenance import git_revision, package_versions
from tlbench.records.record import SCHEMA, ResultRecord, find_record, jsonable, read_record


def record(**changes: object) -> ResultRecord:
    base = {
        "study": "s",
        "strategy": "single",
        "target_task": "rte",
        "support_tasks": [],
        "encoder": "tiny",
        "seed": 0,
        "score": 0.5,
    }
    return ResultRecord(**{**base, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("record")


def test_a_record_reads_back(tmp_path: Path) -> None:
    written = record(metrics={"accuracy": 0.5}, stage_keys=["a"], train_rows={"rte": 5})
    written.write(tmp_path)
    assert read_record(tmp_path / "result.json") == written
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_what_is_not_defined_is_null_not_nan(tmp_path: Path) -> None:
    record(score=math.nan, metrics={"spearman": math.inf}).write(tmp_path)
    found = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert found["score"] is None
    assert found["metrics"] == {"spearman": None}
    assert found["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({}, "scored", ""),
        ({"undefined": ["f1"]}, "scored", ""),  # a metric that is not its score
        ({"score": None, "undefined": ["matthews"]}, "undefined", "matthews is not defined where"),
        ({"score": None}, "undefined", "its metric is not defined where all labels of dev are"),
        (
            {
                "score": None,
                "undefined": ["mine"],
                "tasks": {"rte": {"more_metrics": {"mine": {}}}},
            },
            "undefined",
            "mine is not defined for dev",
        ),
        (
            {"score": None, "config": {"selection": "cross_fit"}},
            "undefined",
            "its metric is not defined where all labels of a half of dev are",
        ),
        ({"score": None, "status": "diverged", "error": "too fast"}, "diverged", "too fast"),
        ({"score": None, "status": "failed", "error": "no memory"}, "failed", "no memory"),
    ],
)
def test_the_outcome_says_why_there_is_no_score(
    changes: dict[str, object], outcome: str, reason: str
) -> None:
    found = record(**changes)
    assert found.outcome == outcome
    assert found.reason.startswith(reason)
    assert bool(found.reason) == bool(reason)


def test_a_record_from_before_undefined_was_written_is_read(tmp_path: Path) -> None:
    old = {k: v for k, v in asdict(record(score=None)).items() if k != "undefined"}
    (tmp_path / "result.json").write_text(json.dumps(old))
    assert read_record(tmp_path / "result.json").outcome == "undefined"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_refused_and_written_again(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    file = tmp_path / "result.json"
    assert find_record(file) is None
    record(metrics={"accuracy": 0.5}).write(tmp_path)
    content = file.read_bytes()
    damage(file)
    assert find_record(file) is None
    with pytest.raises(UserError, match=r"result.json is not a result record .*; remove it"):
        read_record(file)
    record(seed=1).write(tmp_path)
    assert read_record(file).seed == 1
    (kept,) = (tmp_path / ".damaged").iterdir()
    assert kept.read_bytes() != content
    assert list(tmp_path.rglob("result.json")) == [file]


def test_a_changed_number_in_a_record_is_noticed(tmp_path: Path) -> None:
    record(score=0.5).write(tmp_path)
    file = tmp_path / "result.json"
    file.write_text(file.read_text().replace('"score": 0.5', '"score": 0.6'))
    assert find_record(file) is None
    plain = json.loads(file.read_text())
    del plain["checksum"]  # as of a version before there were any
    file.write_text(json.dumps(plain))
    assert read_record(file).score == 0.6


WORDS = st.text(max_size=5) | st.sampled_from(["\ud800", "\0", "NaN"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(WORDS, one, max_size=2),
    max_leaves=3,
)


SCORES = st.floats(-1, 1) | st.sampled_from([float("nan"), float("inf")])


@given(config=st.dictionaries(WORDS, VALUES, max_size=3), error=WORDS, score=SCORES)
def test_whatever_is_written_is_read(
    folder: Path, config: dict[str, object], error: str, score: float
) -> None:
    written = record(config=config, error=error, score=score)
    written.write(folder)
    found = read_record(folder / "result.json")
    assert found == ResultRecord(**jsonable(asdict(written)))


@given(changes=st.dictionaries(st.sampled_from(list(asdict(record()))), VALUES, max_size=2))
def test_a_record_has_the_right_types_or_is_refused(
    folder: Path, changes: dict[str, object]
) -> None:
    found = {**asdict(record()), **changes}
    (folder / "result.json").write_text(json.dumps(jsonable(found)))
    try:
        read_back = asdict(read_record(folder / "result.json"))
    except UserError as error:
        said = str(error)
        assert re.search(r"result\.json is not a result record .*remove it\.$", said)
        assert said.isprintable()
        return
    assert read_back == jsonable(found)
    assert isinstance(read_back["score"], float | int | None)
    assert type(read_back["seed"]) is int
    assert all(isinstance(task, str) for task in read_back["support_tasks"])


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "5"},
        {"seed": True},
        {"score": "0.5"},
        {"score": True},
        {"support_tasks": "mnli"},
        {"stage_keys": [1]},
        {"metrics": {"f1": "1"}},
        {"config": []},
        {"target_task": None},
    ],
)
def test_nothing_is_turned_into_the_right_type(tmp_path: Path, changes: dict[str, object]) -> None:
    (tmp_path / "result.json").write_text(json.dumps({**asdict(record()), **changes}))
    with pytest.raises(UserError, match=f"is not a result record .*{next(iter(changes))}"):
        read_record(tmp_path / "result.json")


@given(st.binary(max_size=60))
def test_any_other_bytes_are_refused(folder: Path, content: bytes) -> None:
    (folder / "result.json").write_bytes(content)
    with pytest.raises(UserError, match="is not a result record"):
        read_record(folder / "result.json")


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, "5", "null", '{"schema": 99}', f'{{"schema": {SCHEMA}}}', ""]
)
def test_a_foreign_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match=r"result\.json is not a result record"):
        read_record(tmp_path / "result.json")


def test_versions_and_revision() -> None:
    assert {"tlbench", "torch", "transformers", "tokenizers", "numpy", "python"} <= set(
        package_versions()
    )
    revision = git_revision()
    assert revision is None or len(revision.removesuffix("-dirty")) == 40
