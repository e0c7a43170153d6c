"""What W&B gets of finished stages on request."""

import logging
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pyarrow.parquet as pq
import pytest
import wandb

from tests.support.experiments import Run
from tlbench.errors import UserError

STILTS = ("strategy=stilts", "support_task=mnli", "logger=wandb")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[MagicMock]:
    """Stands for the runs that W&B opens, online."""
    runs: list[MagicMock] = []

    def init(**given: Any) -> MagicMock:
        runs.append(MagicMock())
        return runs[-1]

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.chdir(tmp_path)
    return runs


def artifacts(method: MagicMock) -> list[wandb.Artifact]:
    return [call.args[0] for call in method.call_args_list]


def test_trained_stages_are_artifacts_and_reused_ones_are_used(
    opened: list[MagicMock], run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    asked = ("logger.wandb.artifacts=true", "logger.wandb.mode=online")
    record = run(*STILTS, *asked)
    logged = artifacts(opened[-1].log_artifact)
    assert [one.name for one in logged] == [f"stage-{key}" for key in record.stage_keys]
    assert not opened[-1].use_artifact.called
    support, target = logged
    assert {"weights/mnli/model.safetensors", "predictions/mnli.parquet"} <= set(
        support.manifest.entries
    )
    assert target.metadata["needs"] == [record.stage_keys[0]]
    assert target.metadata["scores"]["rte"] == record.scores_by_selection["dev"]
    again = run(*STILTS, *asked, "target_task=cola")
    (used,) = artifacts(opened[-1].use_artifact)
    assert (used.name, used.digest) == (support.name, support.digest)
    (new,) = artifacts(opened[-1].log_artifact)
    assert new.name == f"stage-{again.stage_keys[1]}"
    with caplog.at_level(logging.INFO):
        run(*STILTS, *asked[:1], "target_task=wnli", "logger.wandb.mode=offline")
    assert not opened[-1].use_artifact.called
    assert f"W&B can't say offline that a run uses {support.name}" in caplog.text


def tables(run: MagicMock) -> dict[str, Any]:
    """Return what was logged at once with a table of predictions; nothing if there is none."""
    logged = [call.args[0] for call in run.log.call_args_list]
    return next((dict(one) for one in logged if "predictions" in one), {})


def test_predictions_are_those_of_the_score(
    opened: list[MagicMock], run: Run, tmp_path: Path
) -> None:
    asked = ("optim.lr=1e-3", "trainer.max_steps=8", "logger.wandb.mode=online")
    record = run(*STILTS, *asked, "logger.wandb.predictions=true")
    shown = tables(opened[-1])
    table = shown["predictions"].get_dataframe()
    assert list(table.columns) == ["row", "label", "prediction", "correct"]
    halves = pq.read_table(
        tmp_path / "store" / record.stage_keys[-1] / "predictions" / "rte.parquet"
    ).to_pandas()
    assert record.score == pytest.approx(table.correct.mean())
    assert table.row.tolist() == sorted(halves.row)
    assert set(table.label) == {"entailment", "not_entailment"}
    matrix = shown["confusion_matrix"].table.get_dataframe()
    right = matrix[matrix.Actual == matrix.Predicted].nPredictions.sum()
    assert (matrix.nPredictions.sum(), right) == (len(table), table.correct.sum())
    run(*STILTS, *asked, "logger.wandb.predictions=texts")
    table = tables(opened[-1])["predictions"].get_dataframe()
    assert table.text_a.str.len().min() > 0
    assert "text_b" in table.columns


def test_predictions_of_a_regression_and_of_probabilities(
    opened: list[MagicMock], run: Run
) -> None:
    asked = ("logger=wandb", "logger.wandb.mode=online", "logger.wandb.predictions=true")
    run(*asked, "target_task=stsb")
    shown = tables(opened[-1])
    assert list(shown["predictions"].columns) == ["row", "label", "prediction"]
    assert "confusion_matrix" not in shown
    run(*asked, "target_task.score=[auroc]", "target_task.metrics=[auroc]")
    table = tables(opened[-1])["predictions"].get_dataframe()
    chances = table[["probability of entailment", "probability of not_entailment"]]
    assert chances.sum(axis=1).tolist() == pytest.approx([1.0] * len(table))


def test_predictions_of_several_labels_are_their_names(opened: list[MagicMock], run: Run) -> None:
    asked = ("logger=wandb", "logger.wandb.mode=online", "logger.wandb.predictions=true")
    record = run(*asked, "target_task=topics", "target_task.score=[accuracy]", "optim.lr=1e-3")
    shown = tables(opened[-1])
    assert "confusion_matrix" not in shown
    table = shown["predictions"].get_dataframe()
    assert {"", "animal", "animal, person"} <= set(table.label)
    assert record.score == pytest.approx(table.correct.mean())


def test_a_training_that_has_diverged_has_no_predictions(opened: list[MagicMock], run: Run) -> None:
    run("logger=wandb", "logger.wandb.mode=online", "logger.wandb.predictions=true", "optim.lr=1e6")
    assert not tables(opened[-1])


def test_a_logger_that_can_not_be_made_ends_those_before_it(
    opened: list[MagicMock], run: Run
) -> None:
    second = "+logger.b={_target_: tlbench.jobs.wandb_log.WandbLog, project: a/b}"
    with pytest.raises(UserError, match=r"Change logger\.b\.project: 'a/b'"):
        run("logger=wandb", "logger.wandb.mode=online", second)
    (one,) = opened
    assert one.finish.call_args.kwargs == {"exit_code": 1}
