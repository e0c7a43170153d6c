"""Features of a task's train rows, as the encoder gives them, whatever the batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tlbench.doctor.defaults import default_config
from tlbench.models.encoder import load_encoder
from tlbench.models.random_state import fixed_random_state
from tlbench.plan.build import from_config
from tlbench.plan.stage import TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.features import row_features


def stage_of(cache: Path, *words: str) -> tuple[TrainStage, TaskSubset]:
    config = default_config("debug=fast", "target_task=rte", f"cache_dir={cache}", *words)
    experiment = from_config(config)
    return experiment.stage([experiment.target]), experiment.target


def test_features_are_those_of_each_row_alone(cache: Path) -> None:
    stage, rte = stage_of(cache)
    found = row_features(stage, rte, rows=6)
    assert found.first.shape == found.mean.shape
    with fixed_random_state():
        encoder = load_encoder(stage.config.encoder)
    encoder.eval()  # type: ignore[no-untyped-call]
    data = MultiTaskDataModule(stage)
    train, *_ = data.splits_of(rte)
    names = [name for name in data.tokenizer.model_input_names if name in train.tokens.features]
    for at, row in enumerate(train.used[:6]):
        tokens = train.tokens[int(row)]
        inputs = {name: torch.tensor([tokens[name]]) for name in names}
        with torch.no_grad():
            hidden = encoder(**inputs).last_hidden_state[0].numpy()
        assert found.first[at] == pytest.approx(hidden[0], abs=1e-4)
        assert found.mean[at] == pytest.approx(hidden.mean(axis=0), abs=1e-4)
        assert found.labels[at] == tokens["label"]


def test_batches_change_nothing(cache: Path) -> None:
    stage, rte = stage_of(cache)
    small = replace(stage, config=replace(stage.config, eval_batch_size=1))
    one, other = row_features(stage, rte), row_features(small, rte)
    assert np.allclose(one.mean, other.mean, atol=1e-4)
    assert one.labels.tolist() == other.labels.tolist()


def test_no_more_rows_are_read_than_are_asked_for(cache: Path) -> None:
    stage, rte = stage_of(cache)
    assert len(row_features(stage, rte, rows=5).labels) == 5
    assert len(row_features(stage, rte).labels) == rte.count
