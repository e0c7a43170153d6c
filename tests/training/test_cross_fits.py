"""What a trained stage keeps of the cross-fitted selection, whatever ``selection`` says."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import spearmanr

from tests.support.experiments import Compose, stage_run
from tests.support.interrupting import cut_off_at
from tlbench.data.halves import in_second_half
from tlbench.plan.build import build
from tlbench.plan.stage import Stage
from tlbench.store.store import CHECKPOINT
from tlbench.training.best import BestPerTask
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import train_stage

LENGTH = ("trainer.max_steps=14", "trainer.max_epochs=4", "optim.lr=1e-3", "eval_every=0.3")
STSB = (*LENGTH, "subsample_size.target=100", "target_task=stsb")


def stage_of(cfg: Any) -> Stage:
    return build(cfg).plan()[-1]


def correlation(labels: Any, predictions: Any) -> float:
    """The score of STS-B."""
    return float(spearmanr(labels, predictions).statistic)


def train(stage: Stage, folder: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return train_stage(stage_run(stage, folder), None)


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Any]]:
    """The step and the first split's evaluation of every evaluation that is made."""
    made: list[tuple[int, Any]] = []
    end = MultiTaskModule.on_validation_epoch_end

    def watched(self: MultiTaskModule) -> None:
        end(self)
        made.append((self.global_step, self.evaluations[0]))

    monkeypatch.setattr(MultiTaskModule, "on_validation_epoch_end", watched)
    return made


def test_each_half_of_dev_is_scored_by_the_evaluation_that_the_other_has_chosen(
    compose: Compose, tmp_path: Path, evaluations: list[tuple[int, Any]]
) -> None:
    manifest = train(stage_of(compose(*STSB)), tmp_path / "stage")
    rows = pq.read_table(tmp_path / "stage" / "predictions" / "stsb.parquet").to_pandas()
    labels = rows.label.to_numpy()
    second = in_second_half(rows.row.to_numpy(), "stsb", seed=0)
    predictions = np.array([e.logits[:, 0].numpy() for _, e in evaluations])
    first_choice, second_choice = (
        int(np.argmax([correlation(labels[half], one[half]) for one in predictions]))
        for half in (~second, second)
    )
    expected = np.where(second, predictions[first_choice], predictions[second_choice])
    entry = manifest["tasks"]["stsb"]["cross_fit"]
    assert len(evaluations) > 4
    assert first_choice != second_choice
    assert entry["steps"] == [evaluations[i][0] for i in (first_choice, second_choice)]
    assert rows.prediction_cross_fit.tolist() == expected.tolist()
    assert rows.half.tolist() == second.tolist()
    by_half = [correlation(labels[half], expected[half]) for half in (~second, second)]
    assert entry["score"] == pytest.approx(np.mean(by_half), abs=1e-6)
    assert entry["metrics"].keys() == {"pearson", "spearman"}
    assert manifest["selections"] == ["dev", "cross_fit"]


def test_the_selection_that_is_asked_for_changes_nothing_of_a_stage(
    compose: Compose, tmp_path: Path
) -> None:
    stages = [stage_of(compose(*STSB, f"selection={name}")) for name in ("dev", "cross_fit")]
    made = [train(stage, tmp_path / stage.config.selection) for stage in stages]
    assert stages[0].fingerprint() == stages[1].fingerprint()
    assert made[0]["tasks"] == made[1]["tasks"]
    files = [tmp_path / name / "predictions" / "stsb.parquet" for name in ("dev", "cross_fit")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_splits_that_choose_nothing_keep_their_metrics(compose: Compose, tmp_path: Path) -> None:
    manifest = train(stage_of(compose(*LENGTH, "target_task=mnli")), tmp_path / "stage")
    entry = manifest["tasks"]["mnli"]
    rows = pq.read_table(tmp_path / "stage" / "predictions" / "mnli.parquet").to_pandas()
    assert entry["cross_fit"]["metrics"].keys() == entry["metrics"].keys()
    extra = "accuracy_mismatched"
    assert entry["cross_fit"]["metrics"][extra] == entry["metrics"][extra]
    for column in ("half", "prediction_cross_fit"):
        known = rows[column].notna().groupby(rows.split).mean()
        assert known.to_dict() == {"dev": 1.0, "dev_mismatched": 0.0}


def test_rows_that_are_held_out_need_no_cross_fitting(compose: Compose, tmp_path: Path) -> None:
    manifest = train(stage_of(compose(*STSB, "selection=held_out")), tmp_path / "stage")
    assert manifest["selections"] == ["held_out"]
    assert manifest["tasks"]["stsb"]["cross_fit"] is None
    columns = pq.read_schema(tmp_path / "stage" / "predictions" / "stsb.parquet").names
    assert "prediction_cross_fit" not in columns


def test_a_dev_split_of_one_row(compose: Compose, tmp_path: Path) -> None:
    manifest = train(stage_of(compose(*LENGTH, "subsample_size.dev=1")), tmp_path / "stage")
    entry = manifest["tasks"]["rte"]["cross_fit"]
    assert entry["score"] in (0, 1)
    assert len(entry["steps"]) == 2


def test_what_has_diverged_has_no_cross_fitted_score(compose: Compose, tmp_path: Path) -> None:
    manifest = train(stage_of(compose("optim.lr=1e6")), tmp_path / "stage")
    assert manifest["diverged"]
    assert manifest["tasks"]["rte"]["cross_fit"] is None


def cut_off(
    stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch, without: bool = False
) -> None:
    """Interrupt a stage after seven steps; ``without``: as a version without cross-fitting."""
    folder.mkdir()
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, SystemExit, "training_step", MultiTaskModule)
        with pytest.raises(SystemExit):
            train(stage, folder)
    if without:
        state = torch.load(folder / CHECKPOINT, weights_only=True)
        assert state["callbacks"][BestPerTask.__name__].pop("cross_fits")
        torch.save(state, folder / CHECKPOINT)


@pytest.mark.parametrize("selection", ["dev", "cross_fit"])
def test_a_stage_that_goes_on_has_the_same_scores(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selection: str
) -> None:
    stage = stage_of(compose(*STSB, f"selection={selection}"))
    whole = train(stage, tmp_path / "whole")
    cut_off(stage, tmp_path / "cut", monkeypatch)
    again = train(stage, tmp_path / "cut")
    # One that was chosen before the cut and one after, so that both must be kept.
    early, late = sorted(whole["tasks"]["stsb"]["cross_fit"]["steps"])
    assert early < 7 < late
    assert again["tasks"] == whole["tasks"]
    files = [tmp_path / name / "predictions" / "stsb.parquet" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_checkpoint_of_before_cross_fitting_goes_on_without_it(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = stage_of(compose(*STSB, "selection=dev"))
    whole = train(stage, tmp_path / "whole")
    cut_off(stage, tmp_path / "cut", monkeypatch, without=True)
    with caplog.at_level(logging.INFO):
        again = train(stage, tmp_path / "cut")
    said = "stsb s0 was begun by a version that kept no cross-fitted scores, so it goes on and"
    assert f"{said} will have none" in caplog.text
    assert "going on from step 7" in caplog.text
    expected = whole["tasks"]["stsb"] | {"cross_fit": None}
    assert (again["tasks"]["stsb"], again["selections"]) == (expected, ["dev"])
    columns = pq.read_schema(tmp_path / "cut" / "predictions" / "stsb.parquet").names
    assert "prediction_cross_fit" not in columns


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_it_starts_again_where_the_cross_fitted_score_is_wanted(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    times: int,
) -> None:
    stage = stage_of(compose(*STSB, "selection=cross_fit"))
    whole = train(stage, tmp_path / "whole")
    cut_off(stage, tmp_path / "cut", monkeypatch, without=True)
    if times == 2:  # it has gone on without them in between, and was interrupted once more
        with monkeypatch.context() as patch:
            cut_off_at(patch, 9, SystemExit, "training_step", MultiTaskModule)
            with pytest.raises(SystemExit):
                train(stage_of(compose(*STSB)), tmp_path / "cut")
    again = train(stage, tmp_path / "cut")
    assert "kept no cross-fitted scores, so it starts again" in caplog.text
    assert again["tasks"] == whole["tasks"]
