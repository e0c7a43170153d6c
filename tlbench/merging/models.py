"""The models that a merge is of, and the weights that they began with."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from tlbench.config.schema import Config
from tlbench.models.encoder import load_encoder
from tlbench.models.random_state import seeded
from tlbench.plan.merge_rule import MergedModel, Weights
from tlbench.plan.stage import Stage
from tlbench.training.context import Needed
from tlbench.training.features import batches_of


def start_weights(config: Config) -> Weights:
    """Return the weights that every training of an encoder and a seed begins with."""
    with seeded(config.seed):  # random ones are drawn first in a training
        return weights_of(load_encoder(config.encoder))


def merged_models(config: Config, needed: Sequence[Needed]) -> list[MergedModel]:
    """Return the models of finished stages, with encoders in evaluation mode."""
    return [_model(config, one) for one in needed]


def weights_of(encoder: torch.nn.Module) -> Weights:
    """Return the weights of an encoder that are numbers; what counts or masks is no weight."""
    state = encoder.state_dict()
    return {name: value for name, value in state.items() if value.is_floating_point()}


def _model(config: Config, needed: Needed) -> MergedModel:
    task = needed.need.weights_of
    assert needed.weights is not None
    assert task is not None
    encoder = load_encoder(config.encoder, needed.weights)
    encoder.eval()  # type: ignore[no-untyped-call]
    rows = partial(_rows, needed.need.stage, task)
    return MergedModel(task, weights_of(encoder), encoder, rows)


def _rows(stage: Stage, task: str, count: int) -> Iterator[Mapping[str, Tensor]]:
    """Yield the inputs of a task's first train rows, a sequence at a time and without padding."""
    (subset,) = (subset for subset in stage.subsets if subset.name == task)
    for batch in batches_of(stage, subset, count, tokens=1):  # so a batch is a row
        for place, length in enumerate(batch.inputs["attention_mask"].sum(dim=1).tolist()):
            at = slice(place, place + 1)
            yield {name: values[at, :length] for name, values in batch.inputs.items()}
