import json
import math
from pathlib import Path

import pytest

from tlbench.errors import UserError
from tlbench.results import SCHEMA, ResultRecord, collect, git_revision, package_versions, read


def record(**changes: object) -> ResultRecord:
    base = {"study": "s", "strategy": "single", "target_task": "rte", "support_tasks": [],
            "encoder": "tiny", "seed": 0, "score": 0.5}  # fmt: skip
    return ResultRecord(**{**base, **changes})  # type: ignore[arg-type]


def test_a_record_reads_back(tmp_path: Path) -> None:
    written = record(metrics={"accuracy": 0.5}, stage_keys=["a"], train_rows={"rte": 5})
    written.write(tmp_path)
    assert read(tmp_path / "result.json") == written
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_what_is_not_defined_is_null_not_nan(tmp_path: Path) -> None:
    record(score=math.nan, metrics={"spearman": math.inf}).write(tmp_path)
    found = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert found["score"] is None
    assert found["metrics"] == {"spearman": None}
    assert found["schema"] == SCHEMA


def test_collect_finds_all_below(tmp_path: Path) -> None:
    for seed in range(3):
        record(seed=seed).write(tmp_path / "a" / str(seed))
    record(seed=9).write(tmp_path / "b")
    found = collect([tmp_path / "a", tmp_path / "b"])
    assert [r.seed for r in found] == [0, 1, 2, 9]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 99}', f'{{"schema": {SCHEMA}}}', ""])
def test_a_foreign_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match=r"result\.json is not a result record"):
        read(tmp_path / "result.json")


def test_versions_and_revision() -> None:
    assert {"tlbench", "torch", "transformers"} <= set(package_versions())
    revision = git_revision()
    assert revision is None or len(revision.removesuffix("-dirty")) == 40
