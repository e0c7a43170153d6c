import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from scipy import stats

from tests.support.experiments import Compose, Run
from tlbench.errors import UserError
from tlbench.jobs import runner
from tlbench.jobs.job import run_experiment
from tlbench.plan.build import build
from tlbench.records.record import read_record
from tlbench.store.store import Store
from tlbench.training.context import StageContext
from tlbench.training.train import train_stage

TASKS = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of the stages that were trained, in order."""
    titles = []

    def watched(run: StageContext, *arguments: Any) -> Any:
        titles.append(run.stage.title)
        return train_stage(run, *arguments)

    monkeypatch.setattr("tlbench.training.train.train_stage", watched)
    return titles


def test_stilts_after_single_of_its_support_trains_one_stage(run: Run, trained: list[str]) -> None:
    alone = run("target_task=mnli")
    chain = run("strategy=stilts", "support_task=mnli")
    assert trained == ["mnli", "rte<-mnli"]
    assert chain.stage_keys[0] == alone.stage_keys[0]
    assert (chain.steps, chain.steps_reused) == (8, 4)
    assert (chain.instances, chain.instances_reused) == (128, 64)


def test_a_pair_serves_both_directions(run: Run, trained: list[str]) -> None:
    one = run("strategy=mtl", "support_task=mnli")
    other = run("strategy=mtl", "target_task=mnli", "support_task=rte")
    assert trained == ["mnli+rte"]
    assert one.stage_keys == other.stage_keys
    assert (one.target_task, other.target_task) == ("rte", "mnli")
    assert set(other.metrics) == {"accuracy", "accuracy_mismatched"}


def test_the_same_again_trains_nothing_and_keeps_its_record(run: Run, trained: list[str]) -> None:
    first, second = (run("strategy=mtl", "support_task=mnli") for _ in range(2))
    assert trained == ["mnli+rte"]
    assert second == first


def test_a_stage_from_elsewhere_is_said_to_be_reused(
    compose: Compose, tmp_path: Path, trained: list[str]
) -> None:
    for folder in ("one", "other"):
        run_experiment(
            compose("strategy=mtl", "support_task=mnli"), tmp_path / folder, in_sweep=False
        )
    one, other = (read_record(tmp_path / folder / "result.json") for folder in ("one", "other"))
    assert trained == ["mnli+rte"]
    assert other.score == one.score
    assert (one.instances_reused, other.instances_reused) == (0, one.instances)


def test_a_reused_stage_is_of_the_revision_that_trained_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for revision in ("first", "second"):
        monkeypatch.setattr(runner, "git_revision", lambda found=revision: found)
        record = run(f"study={revision}")
        assert (record.study, record.git_revision) == (revision, "first")
        (tmp_path / "job" / "result.json").unlink()


def test_rows_trained_on_under_held_out(run: Run) -> None:
    record = run("strategy=stilts", "support_task=mnli", "selection=held_out")
    assert record.train_rows == {"mnli": 58, "rte": 58}


def test_a_chain_without_its_first_stages_weights_is_still_there(
    run: Run, trained: list[str], tmp_path: Path
) -> None:
    first = run("strategy=stilts", "support_task=mnli")
    Store(tmp_path / "store").drop_weights(first.stage_keys[0])
    again = run("strategy=stilts", "support_task=mnli")
    assert len(trained) == 2
    assert (again.steps, again.instances) == (first.steps, first.instances)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["single", "stilts", "mtl", "mtl_all"])
@pytest.mark.parametrize("task", TASKS)
def test_all_nine_tasks_under_all_four_strategies(run: Run, task: str, strategy: str) -> None:
    support = [f"support_task={'rte' if task != 'rte' else 'mrpc'}"]
    record = run(
        f"target_task={task}",
        f"strategy={strategy}",
        f"strategy.tasks=[{','.join(TASKS)}]",
        *(support if strategy in ("stilts", "mtl") else []),
        "trainer.max_steps=2",
        "subsample_size={target:32,support:32,dev:32}",
    )
    assert record.status == "done"
    assert record.train_rows[task] == 32
    assert len(record.train_rows) == {"single": 1, "stilts": 2, "mtl": 2, "mtl_all": 9}[strategy]


def test_the_record(run: Run, tmp_path: Path) -> None:
    record = run("strategy=stilts", "support_task=mnli", "seed=4")
    assert (record.strategy, record.target_task, record.support_tasks) == (
        "stilts",
        "rte",
        ["mnli"],
    )
    assert (record.seed, record.study, record.encoder, record.device) == (4, "adhoc", "tiny", "cpu")
    assert record.train_rows == {"mnli": 64, "rte": 64}
    assert record.dev_rows == 64
    assert record.score == record.metrics["accuracy"]
    assert 0 < record.majority_score < 1
    assert record.config["target_task"]["source"]["name"] == "rte"
    assert record.seconds > 0
    assert record.versions["torch"]
    support, target = (Store(tmp_path / "store").find(key) for key in record.stage_keys)
    assert support is not None
    assert target is not None
    assert target["fingerprint"]["start"] == [record.stage_keys[0], "mnli"]
    trained_on = [task for stage in (support, target) for task in stage["fingerprint"]["tasks"]]
    assert record.digests == {task["name"]: task["digests"] for task in trained_on}


def test_the_record_says_of_every_stage_what_trained_it(run: Run) -> None:
    run("target_task=mnli")
    record = run("strategy=stilts", "support_task=mnli", "micro_batch_size=4")
    first, last = record.stages
    assert [stage["key"] for stage in record.stages] == record.stage_keys
    assert (first["reused"], last["reused"]) == (True, False)
    assert (first["train_rows"], last["train_rows"]) == ({"mnli": 64}, {"rte": 64})
    assert (first["micro_batch_size"], last["micro_batch_size"]) == (16, 4)
    assert first["instances"] + last["instances"] == record.instances
    for stage in record.stages:
        assert (stage["device"], stage["devices"], stage["precision"]) == ("cpu", 1, "32-true")
        assert stage["threads"] == torch.get_num_threads()
        assert stage["kernels"] == "unpadded"
        assert stage["versions"] == record.versions
    assert str(record.encoder_identity).startswith("sha256:")
    assert record.encoder_identity == record.config["encoder"]["identity"]


def test_only_stage_trains_just_that(compose: Compose, tmp_path: Path, trained: list[str]) -> None:
    cfg = compose("strategy=stilts", "support_task=mnli")
    cfg.only_stage = build(cfg).plan()[0].key
    assert run_experiment(cfg, tmp_path / "job", in_sweep=False) is None
    assert trained == ["mnli"]
    assert not (tmp_path / "job" / "result.json").exists()
    cfg.only_stage = "0" * 16
    with pytest.raises(UserError, match=r"Change only_stage: .* not in the plan"):
        run_experiment(cfg, tmp_path / "job", in_sweep=False)


def test_an_unwritable_store_is_named_before_training(
    compose: Compose, tmp_path: Path, trained: list[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Change store_dir"):
        run_experiment(
            compose(f"store_dir={tmp_path / 'file' / 'x'}"), tmp_path / "job", in_sweep=False
        )
    assert trained == []


def test_a_stage_that_fails_leaves_no_part_of_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: StageContext, *_: Any) -> None:
        (run.folder / "half").touch()
        raise RuntimeError("no memory")

    monkeypatch.setattr("tlbench.training.train.train_stage", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        run()
    store = Store(tmp_path / "store")
    assert store.finished() == []
    assert list(store.work.iterdir()) == []


BLOWN_UP = ("optim.lr=1e6",)


def test_a_training_that_diverges_is_a_finished_record_and_not_trained_again(
    run: Run, trained: list[str]
) -> None:
    record = run(*BLOWN_UP, "trainer.max_epochs=3", "trainer.max_steps=null")
    assert (record.status, record.score, record.metrics) == ("diverged", None, {"accuracy": None})
    said = "after step 2 of 12 the loss on rte was not finite.*lower optim.lr"
    assert re.match(said, record.error or "")
    assert record.steps == 2  # stopped where it was seen
    assert record.majority_score is not None
    assert run(*BLOWN_UP, "trainer.max_epochs=3", "trainer.max_steps=null") == record
    assert trained == ["rte"]


def test_what_starts_from_a_stage_that_has_diverged_is_diverged_untrained(
    run: Run, trained: list[str], tmp_path: Path
) -> None:
    record = run("strategy=stilts", "support_task=mnli", *BLOWN_UP)
    assert trained == ["mnli"]
    assert (record.status, record.score, record.steps) == ("diverged", None, 2)
    assert (record.error or "").startswith("it needs mnli, which has diverged: after step 2 of 4")
    assert record.train_rows == {"mnli": 64, "rte": 64}
    assert run("strategy=stilts", "support_task=mnli", *BLOWN_UP) == record
    assert Store(tmp_path / "store").damage(record.stage_keys[-1]) == []


def test_dynamic_sampling_can_not_aim_at_a_score_that_has_diverged(
    run: Run, trained: list[str]
) -> None:
    record = run("strategy=mtl", "support_task=mnli", "sampling=dynamic", *BLOWN_UP)
    assert sorted(trained) == ["mnli", "rte"]
    assert record.status == "diverged"


def test_a_constant_prediction_scores_0_and_has_collapsed(run: Run) -> None:
    record = run("target_task=cola", "trainer.max_steps=2")
    assert (record.outcome, record.score, record.undefined) == ("scored", 0, [])
    assert record.metrics["matthews"] == record.majority_score == 0
    assert record.metrics["accuracy"] not in (0, 1, None)
    assert record.collapsed is True


def test_a_training_that_learns_something_has_not_collapsed(run: Run) -> None:
    assert run("optim.lr=1e-3", "target_task=stsb").collapsed is False
    assert run(*BLOWN_UP).collapsed is None


@pytest.mark.parametrize("precision", ["32-true", "bf16-true"])
def test_labels_that_32_bits_do_not_hold(precision: str, compose: Compose, tmp_path: Path) -> None:
    labels = [1_700_000_000 + 7 * row % 60 for row in range(40)]
    for split in ("train", "dev"):
        rows = (f"{'late ' * (label % 60 // 8)}film\t{label}\n" for label in labels)
        (tmp_path / f"{split}.tsv").write_text("text\ttime\n" + "".join(rows))
    cfg = compose(
        "subsample_size.target=null",
        "optim.lr=1e-3",
        "trainer.max_epochs=8",
        "trainer.max_steps=null",
        f"trainer.precision={precision}",
        "selection=dev",
        "allow_leakage=true",
    )
    source = {"format": "tsv", "path": str(tmp_path), "text": ["text"], "label": "time"}
    metrics = ["pearson", "spearman"]
    cfg.target_task = {
        "name": "times",
        "labels": None,
        "score": metrics,
        "metrics": metrics,
        "source": source,
    }
    run_experiment(cfg, tmp_path / "job", in_sweep=False)
    record = read_record(tmp_path / "job" / "result.json")
    kept = tmp_path / "store" / record.stage_keys[-1] / "predictions" / "times.parquet"
    frame = pq.read_table(kept).to_pandas().query("split == 'dev'")
    assert list(frame.label) == labels
    for name, statistic in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        expected = statistic(frame.prediction, labels).statistic
        assert record.metrics[name] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", ["matthews", "f1"])
def test_a_task_whose_rows_have_one_label_only(
    metric: str, compose: Compose, tmp_path: Path
) -> None:
    for split in ("train", "dev"):
        row = '{"text": "a film", "verdict": "bad"}\n'
        (tmp_path / f"{split}.jsonl").write_text(32 * row)
    source = {"format": "jsonl", "path": str(tmp_path), "text": ["text"], "label": "verdict"}
    cfg = compose(
        "subsample_size.target=null",
        "optim.lr=1e-3",
        "trainer.max_steps=20",
        "trainer.max_epochs=10",
        "eval_every=10",
        "allow_leakage=true",
    )
    cfg.target_task = {
        "name": "mine",
        "labels": ["bad", "good"],
        "score": [metric],
        "metrics": [metric, "accuracy"],
        "source": source,
    }
    run_experiment(cfg, tmp_path / "job", in_sweep=False)
    record = read_record(tmp_path / "job" / "result.json")
    assert (record.outcome, record.undefined) == ("undefined", [metric])
    assert record.metrics == {metric: None, "accuracy": 1.0}
    assert record.collapsed is True
    assert (
        record.reason == f"{metric} is not defined where all labels of a half of dev are the same"
    )
