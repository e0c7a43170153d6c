import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.planted import GLUE, SEEDS, config, grid, none, record, write
from tlbench.analysis.collect import collect, done
from tlbench.errors import UserError
from tlbench.records.record import SCHEMA

PAIR = {"rte": 100, "mnli": 400}


def test_a_record_is_a_row_with_its_sizes(tmp_path: Path) -> None:
    write([record("mtl", "rte", "mnli", PAIR, 7, 0.625)], tmp_path)
    (row,) = collect([tmp_path]).table.itertuples()
    assert (row.strategy, row.target, row.support, row.seed) == ("mtl", "rte", "mnli", 7)
    assert (row.target_rows, row.support_rows, row.score) == (100, 400, 0.625)
    assert row.metric == "accuracy"


def test_single_has_no_support_and_mtl_all_has_all(tmp_path: Path) -> None:
    write([record(name, "rte", None, PAIR, 0, 0.5) for name in ("single", "mtl_all")], tmp_path)
    rows = collect([tmp_path]).table.set_index("strategy")
    assert rows.support.to_dict() == {"single": "-", "mtl_all": "all"}
    assert rows.support_rows.to_dict() == {"single": 0, "mtl_all": 400}


def test_several_supports_are_in_the_order_given(tmp_path: Path) -> None:
    tasks = {"rte": 100, "mnli": 400, "cola": 200}
    write([record("mtl", "rte", "mnli+cola", tasks, 7, 0.625)], tmp_path)
    (row,) = collect([tmp_path]).table.itertuples()
    assert (row.support, row.target_rows, row.support_rows) == ("mnli+cola", 100, 600)


def test_a_method_that_has_no_effect_is_none(tmp_path: Path) -> None:
    write(grid(PAIR, none, seeds=[0], method="mean"), tmp_path)
    methods = collect([tmp_path]).table.groupby("strategy").method.unique().map(list)
    assert methods.to_dict() == {
        "single": ["-"],
        "stilts": ["-"],
        "mtl": ["mean"],
        "mtl_all": ["mean"],
    }


@pytest.mark.parametrize(
    "logger",
    [
        {"wandb": {"project": "ours", "entity": "lab"}, "csv": {"_target_": "x"}},
        {"_target_": "tlbench.loggers.WandbLog", "project": "ours", "entity": "lab"},
    ],
)
def test_where_jobs_were_logged(logger: dict[str, object], tmp_path: Path) -> None:
    one = record("single", "rte", None, PAIR, 0, 0.5)
    one.config["logger"] = logger
    (row,) = collect([write([one], tmp_path)]).table.itertuples()
    assert (row.wandb_project, row.wandb_entity) == ("ours", "lab")


def test_a_file_is_counted_once_however_it_is_named(tmp_path: Path) -> None:
    write(grid(PAIR, none, seeds=[0]), tmp_path / "study")
    rows = collect([tmp_path, tmp_path / "study", f"{tmp_path}/study/../study"]).table
    assert len(rows) == 2 * 4


def test_the_store_is_not_searched(tmp_path: Path) -> None:
    write([record("single", "rte", None, PAIR, 0, 0.5)], tmp_path / ".store")
    with pytest.raises(UserError, match="no result records"):
        collect([tmp_path])


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": 1, "study": "s", "str',
        json.dumps({"name": "not ours", "result": 5}),
        json.dumps([1, 2]),
        json.dumps({"schema": SCHEMA + 1}),
        json.dumps(
            {
                "schema": SCHEMA,
                "study": "s",
                "strategy": "mtl",
                "target_task": "rte",
                "support_tasks": [],
                "encoder": "e",
                "seed": 0,
                "score": "high",
            }
        ),
        json.dumps(
            {
                "schema": SCHEMA,
                "study": "s",
                "strategy": "mtl",
                "target_task": "rte",
                "support_tasks": [],
                "encoder": "e",
                "seed": 0,
                "train_rows": 5,
            }
        ),
    ],
    ids=["half-written", "foreign", "a list", "another schema", "a word as score", "no sizes"],
)
def test_what_is_no_record_is_named_and_the_rest_is_read(tmp_path: Path, text: str) -> None:
    write([record("single", "rte", None, PAIR, 0, 0.5)], tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "result.json").write_text(text)
    study = collect([tmp_path])
    assert len(study.table) == 1
    (problem,) = study.problems
    assert "bad/result.json is not a result record" in problem
    assert problem.endswith("remove it.")
    (tmp_path / "rte-single-0" / "result.json").unlink()
    with pytest.raises(UserError, match=r"no result records .*1 files can't be read"):
        collect([tmp_path])


def test_a_folder_that_is_empty_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Give another study: there are no result records in "):
        collect([tmp_path])
    with pytest.raises(UserError, match=r"^Give another study: the folder .* is not there\.$"):
        collect([tmp_path / "nowhere"])


def test_failed_undefined_and_repeated_records_have_no_score(tmp_path: Path) -> None:
    once = record("single", "rte", None, PAIR, 0, 0.5)
    failed = record("single", "rte", None, PAIR, 1, float("nan"), status="failed")
    undefined = record("single", "rte", None, PAIR, 2, float("nan"))
    table = collect([write([once, once, failed, undefined], tmp_path)]).table
    assert len(table) == 4
    assert list(done(table).seed) == [0]


def test_analysis_imports_no_torch() -> None:
    code = "import sys, tlbench.report.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_full_grid_is_complete() -> None:
    assert len(grid(GLUE, none)) == len(SEEDS) * (9 + 72 + 72 + 9)
    assert config("mtl", "rte")["strategy"]["supports"] == "one"


def test_a_test_score_is_a_column(tmp_path: Path) -> None:
    test = {"score": 0.4, "digest": "abc"}
    scored = record("single", "rte", None, PAIR, 0, 0.5, test=test)
    older = record("single", "rte", None, PAIR, 1, 0.5)
    table = collect([write([scored, older], tmp_path)]).table.set_index("seed")
    assert table.test_score[0] == 0.4
    assert table.test_digest.tolist() == ["abc", ""]
    assert table.test_score.isna().tolist() == [False, True]
