"""Balanced weights are of the rows that a stage trains on, before and after it is interrupted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from tests.support.experiments import Compose
from tests.support.interrupting import KilledError, assert_same, cut_off_at, train
from tlbench.plan.build import build
from tlbench.plan.stage import Stage
from tlbench.tasks import classification
from tlbench.tasks.class_loss import balanced_weights
from tlbench.training.module import MultiTaskModule

BALANCED = {"loss": {"class_weights": "balanced", "label_smoothing": 0.1, "focal": 2.0}}
SIZES = ("subsample_size.target=50", "subsample_size.dev=20", "batch_size=16")
LENGTH = ("trainer.max_epochs=3", "trainer.max_steps=null", "optim.lr=1e-3")


def stage_of(compose: Compose, *overrides: str, **task: Any) -> Stage:
    cfg = compose("target_task=mrpc", *SIZES, *LENGTH, "keep_weights=all", *overrides)
    OmegaConf.update(cfg, "target_task", task, force_add=True)
    return build(cfg).plan()[-1]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, list[float]]]:
    """The labels that balanced weights are made of, and the weights, of every training."""
    calls: list[tuple[torch.Tensor, list[float]]] = []

    def watched(labels: torch.Tensor, classes: int) -> list[float]:
        calls.append((labels, balanced_weights(labels, classes)))
        return calls[-1][1]

    monkeypatch.setattr(classification, "balanced_weights", watched)
    return calls


def trained_labels(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Return the labels of the batches that are trained on from now on."""
    labels: list[torch.Tensor] = []
    step: Callable[..., Any] = MultiTaskModule.training_step

    def watched(self: MultiTaskModule, batch: Any, *more: Any) -> Any:
        labels.append(batch.labels[0])
        return step(self, batch, *more)

    monkeypatch.setattr(MultiTaskModule, "training_step", watched)
    return labels


@pytest.mark.parametrize(("selection", "rows"), [("cross_fit", 50), ("held_out", 45)])
def test_they_are_of_the_rows_that_are_trained_on(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seen: list[tuple[torch.Tensor, list[float]]],
    selection: str,
    rows: int,
) -> None:
    batches = trained_labels(monkeypatch)
    stage = stage_of(compose, f"selection={selection}", "trainer.max_epochs=1", **BALANCED)
    train(stage, tmp_path / "stage")
    ((labels, weights),) = seen
    assert len(labels) == rows
    trained = torch.cat(batches)
    assert trained.sort().values.tolist() == labels.sort().values.tolist()
    counts = [int((trained == at).sum()) for at in (0, 1)]
    assert weights == pytest.approx([rows / 2 / count for count in counts])


def test_they_are_the_same_after_a_kill_and_so_is_all_else(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seen: list[tuple[torch.Tensor, list[float]]],
) -> None:
    stage = stage_of(compose, **BALANCED)
    expected = train(stage, tmp_path / "whole")
    stage.config.trainer.checkpoint_steps = 1
    with monkeypatch.context() as patch:
        cut_off_at(patch, 5, KilledError, "on_train_batch_start", MultiTaskModule)
        with pytest.raises(KilledError):
            train(stage, tmp_path / "killed")
    assert_same(train(stage, tmp_path / "killed"), expected)
    assert [weights for _, weights in seen] == [seen[0][1]] * 3


def test_a_loss_changes_what_is_trained_and_not_what_is_evaluated(
    compose: Compose, tmp_path: Path
) -> None:
    plain = train(stage_of(compose), tmp_path / "plain")
    weighed = train(stage_of(compose, **BALANCED), tmp_path / "weighed")
    assert any(
        not torch.equal(plain.weights[name], weighed.weights[name]) for name in plain.weights
    )
    assert plain.manifest["tasks"].keys() == weighed.manifest["tasks"].keys()
    # The same model before the first step, of which the majority vote is the same too.
    majority = [one.manifest["tasks"]["mrpc"]["majority_score"] for one in (plain, weighed)]
    assert majority[0] == majority[1]
