"""When a job scores its test rows, and what its record says of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_integrity import flip
from tests.support.experiments import Compose, Run, Trained, watch_scoring, write_rows
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.store.store import Store

TEST = "suite.sources.rte.test=40"
MTL = ("strategy=mtl", "support_task=mnli")
COSTS = ("steps", "instances", "steps_reused", "instances_reused", "training_seconds", "stages")


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return watch_scoring(monkeypatch)


def test_a_record_says_what_the_test_rows_give(run: Run) -> None:
    record = run(TEST)
    assert record.test is not None
    assert set(record.test) == {
        "score",
        "metrics",
        "rows",
        "digest",
        "collapsed",
        "majority_score",
    }
    assert record.test["metrics"] == {"accuracy": record.test["score"]}
    assert record.test["rows"] == 40
    assert record.digests["rte"]["test"] == record.test["digest"]


def test_they_are_scored_once(run: Run, trained: Trained, scored: list[str]) -> None:
    first, second = run(TEST), run(TEST)
    assert first == second
    assert scored == trained.titles == ["rte"]


@pytest.mark.slow
def test_no_stage_and_no_score_on_dev_knows_of_them(
    run: Run, trained: Trained, scored: list[str]
) -> None:
    without = run()
    record = run(TEST)
    assert (without.test, scored) == (None, ["rte"])
    assert trained.titles == ["rte"]
    for name in ("score", "metrics", "stage_keys", "dev_rows", *COSTS):
        assert getattr(record, name) == getattr(without, name)
    assert record.config["suite"]["sources"]["rte"]["test"] == 40
    assert run().test is None


def test_only_the_targets_are_scored(run: Run, scored: list[str], tmp_path: Path) -> None:
    record = run(*MTL, "suite.sources.mnli.test=40", "suite.sources.rte.test=null")
    assert (record.test, scored) == (None, [])
    assert "test" not in record.digests["mnli"]
    assert Store(tmp_path / "store").find(record.stage_keys[-1], ["rte"]) is None


@pytest.mark.slow
def test_each_target_of_a_pair_has_scores_of_its_own(
    run: Run, trained: Trained, scored: list[str]
) -> None:
    tests = (TEST, "suite.sources.mnli.test=30")
    one = run(*MTL, *tests, "keep_weights=all")
    other = run("strategy=mtl", "target_task=mnli", "support_task=rte", *tests)
    assert one.test is not None
    assert other.test is not None
    assert (one.test["rows"], other.test["rows"]) == (40, 30)
    assert trained.titles == ["mnli+rte"]
    assert scored == ["mnli+rte"] * 2


def test_edited_rows_are_scored_again_and_nothing_trained(
    run: Run, trained: Trained, scored: list[str], tmp_path: Path
) -> None:
    source = write_rows(tmp_path, train=64, dev=60, test=50)
    first = run(source)
    file = tmp_path / "test.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:20]))
    second = run(source)
    assert first.test is not None
    assert second.test is not None
    assert (first.test["rows"], second.test["rows"]) == (50, 20)
    assert first.test["digest"] != second.test["digest"]
    assert second.digests["rte"]["test"] == second.test["digest"]
    assert [getattr(first, name) for name in COSTS] == [getattr(second, name) for name in COSTS]
    assert (trained.titles, scored) == (["rte"], ["rte"] * 2)


def test_weights_that_are_not_there_are_trained_again_and_cost(
    run: Run, trained: Trained, tmp_path: Path
) -> None:
    first = run(*MTL)
    store = Store(tmp_path / "store")
    assert store.find(first.stage_keys[-1], ["rte"]) is None
    again = run(*MTL, TEST)
    assert trained.titles == ["mnli+rte"] * 2
    assert (again.instances, again.instances_reused) == (first.instances, 0)
    assert store.find(first.stage_keys[-1], ["rte"])


def test_what_was_scored_needs_no_weights(
    run: Run, trained: Trained, scored: list[str], tmp_path: Path
) -> None:
    first = run(*MTL, TEST)
    Store(tmp_path / "store").drop_weights(first.stage_keys[-1])
    assert run(*MTL, TEST) == first
    assert trained.titles == scored == ["mnli+rte"]


def test_scores_outlast_a_training_for_other_weights(
    run: Run, trained: Trained, scored: list[str]
) -> None:
    first = run(*MTL, TEST)
    run(*MTL, "keep_weights=all")
    assert trained.titles == ["mnli+rte"] * 2
    assert run(*MTL, TEST).test == first.test
    assert scored == ["mnli+rte"]


@pytest.mark.parametrize("name", ["scores.json", "predictions/rte.parquet"])
def test_damaged_scores_are_made_again(
    run: Run, trained: Trained, scored: list[str], tmp_path: Path, name: str
) -> None:
    first = run(TEST)
    (folder,) = (tmp_path / "store").glob("*/test/rte-*")
    flip(folder / name)
    assert run(TEST).test == first.test
    assert (trained.titles, scored) == (["rte"], ["rte"] * 2)
    assert list((tmp_path / "store" / ".damaged").iterdir())


def test_an_interrupted_scoring_leaves_nothing_and_is_done_again(
    run: Run, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tlbench.training.final_scores.write_predictions", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(TEST)
    assert not list((tmp_path / "store").glob("*/test/*"))
    assert not list((tmp_path / "store" / ".work").iterdir())
    assert run(TEST).test
    assert trained.titles == ["rte"]


def test_what_has_diverged_is_not_scored(run: Run, scored: list[str]) -> None:
    record = run(TEST, "optim.lr=1e6")
    assert (record.status, record.test, scored) == ("diverged", None, [])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text_a": "a", "text_b": "b"}, r"test.jsonl, line 1 has no column 'label'"),
        ({"text_a": "a", "text_b": "b", "label": -1}, r"test.jsonl, line 1 has the label '-1'"),
        (None, r"Change source.test of task 'rte': there is no file .*test.jsonl"),
    ],
)
def test_rows_without_labels_are_refused_before_anything_is_trained(
    run: Run, trained: Trained, tmp_path: Path, row: dict[str, Any] | None, message: str
) -> None:
    source = write_rows(tmp_path, train=64, dev=60, test=1)
    file = tmp_path / "test.jsonl"
    file.unlink() if row is None else file.write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=r"^Change source.test of task 'rte'") as refused:
        run(source)
    refused.match(message)
    assert trained.titles == []


def test_withheld_labels_of_a_regression_are_no_numbers(compose: Compose, tmp_path: Path) -> None:
    for split, label in (("train", 1.5), ("dev", 2.5), ("test", -1.0)):
        lines = [json.dumps({"a": f"text {i}", "y": label}) + "\n" for i in range(70)]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines))
    source = f"format:jsonl,path:'{tmp_path}',train:null,dev:null,text:[a],label:y"
    overrides = ("target_task=stsb", f"++suite.sources.stsb={{{source}}}")
    assert build(compose(*overrides)).target.test_digest is None
    with pytest.raises(UserError, match=r"^Change source.test of task 'stsb' .* label -1, which"):
        build(compose(*overrides, "suite.sources.stsb.test=test.jsonl"))


def test_weights_that_are_not_kept_can_not_be_scored(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^Change keep_weights, or source.test of task 'rte'"):
        build(compose(TEST, "keep_weights=none")).plan()


def test_a_list_of_weights_is_beside_those_that_are_scored(run: Run, tmp_path: Path) -> None:
    record = run(*MTL, TEST, "keep_weights=[mnli]")
    assert record.test is not None
    assert Store(tmp_path / "store").find(record.stage_keys[-1], ["mnli", "rte"])
