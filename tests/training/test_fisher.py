"""A task embedding is the mean over rows of squared gradients at the best weights."""

from pathlib import Path

import pytest
import torch

from tests.training.test_features import stage_of
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.training.features import batches_of
from tlbench.training.fisher import task_embedding


@pytest.fixture
def weights(cache: Path, tmp_path: Path) -> Path:
    """The weights of a model that nothing has trained."""
    stage, rte = stage_of(cache)
    model = MultiTaskModel(load_encoder(stage.config.encoder), [rte.task], "per_task")
    model.encoder.save_pretrained(tmp_path)
    model.save_head(rte.task, tmp_path / "heads.safetensors")
    return tmp_path


def test_it_is_the_mean_of_squared_gradients(cache: Path, weights: Path) -> None:
    stage, rte = stage_of(cache)
    embedding = task_embedding(stage, rte, weights, rows=2)
    model = MultiTaskModel(load_encoder(stage.config.encoder, weights), [rte.task], "per_task")
    model.load_head(rte.task, weights / "heads.safetensors")
    model.eval()
    name, parameter = next(
        pair for pair in model.encoder.named_parameters() if "word_embeddings" in pair[0]
    )
    squares = torch.zeros_like(parameter)
    for batch in batches_of(stage, rte, 2, tokens=1):
        (gradient,) = torch.autograd.grad(model.losses(batch)[0].sum(), parameter)
        squares += gradient**2
    assert embedding[name] == pytest.approx((squares / 2).ravel().numpy(), rel=1e-4, abs=1e-12)


def test_every_parameter_has_its_part(cache: Path, weights: Path) -> None:
    stage, rte = stage_of(cache)
    embedding = task_embedding(stage, rte, weights, rows=2)
    encoder = load_encoder(stage.config.encoder, weights)
    sizes = {name: parameter.numel() for name, parameter in encoder.named_parameters()}
    assert {name: len(part) for name, part in embedding.items()} == sizes
    assert all((part >= 0).all() for part in embedding.values())
