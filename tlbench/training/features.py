"""What an encoder makes of a task's train rows, before or after it was trained: one forward."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from tlbench.config.schema import Task
from tlbench.data.batch import Batch
from tlbench.data.collation import MultiTaskDataset
from tlbench.data.planned_batches import by_length
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.models.encoder import load_encoder
from tlbench.models.layers import hidden_states, layer_to_read
from tlbench.models.random_state import fixed_random_state
from tlbench.plan.stage import Stage, TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.kinds import kind_of
from tlbench.training.datamodule import MultiTaskDataModule

disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for every load of an encoder

ROWS = 1000  # of a task at most: more change no ranking that fewer have

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowFeatures:
    """Features of rows of one task.

    Attributes:
        first: of the first token, which heads read, (rows, width); a choice of a row is a row here.
        mean: over the tokens of a row, without padding, (rows, width).
        labels: (rows, ...), as the task's kind has them: a class index, or a number, (rows,); of
            rows of words which tags each has, (rows, tags), 0 or 1; of a choice 1 if it is right.
        is_classes: which of the two.
    """

    first: Array
    mean: Array
    labels: Array
    is_classes: bool


def batches_of(stage: Stage, subset: TaskSubset, rows: int, tokens: int) -> Iterator[Batch]:
    """Yield batches of the first rows that a stage trains a task on, those of like length together.

    Args:
        rows: how many at most.
        tokens: of a batch at most, with padding.
    """
    data = MultiTaskDataModule(stage)
    train = next(data.splits_of(subset))
    used = TokenizedSplit(train.task, train.split, train.tokens, train.used[:rows])
    dataset = MultiTaskDataset([used], data.tokenizer, stage.config)
    for plan in by_length(used, tokens):
        yield dataset[plan]


@torch.no_grad()
def row_features(
    stage: TrainStage, subset: TaskSubset, weights: Path | None = None, rows: int = ROWS
) -> RowFeatures:
    """Return the features of a task's train rows, on the CPU in float32.

    Args:
        stage: one that trains the task, whose config says encoder and rows.
        weights: the folder of a finished stage's best weights; None for the encoder as it was
            pretrained.
    """
    with fixed_random_state():  # an encoder of random weights is the same for every task
        encoder = load_encoder(stage.config.encoder, weights)
    encoder.eval()  # type: ignore[no-untyped-call]
    layer = layer_to_read(encoder, subset.task.head_layer)
    tokens = stage.config.eval_batch_size * stage.config.encoder.max_length
    found = [
        (batch, *_features(encoder, layer, batch))
        for batch in batches_of(stage, subset, rows, tokens)
    ]
    ids = torch.cat([batch.ids for batch, _, _ in found])
    order = ids.repeat_interleave(kind_of(subset.task).sequences).argsort(stable=True)
    parts = (
        torch.cat([first for _, first, _ in found]),
        torch.cat([mean for _, _, mean in found]),
        torch.cat([_of_rows(subset.task, batch.labels[0]) for batch, _, _ in found]),
    )
    first, mean, labels = (part[order].double().numpy() for part in parts)
    return RowFeatures(first, mean, labels, subset.task.labels is not None)


def _of_rows(task: Task, labels: Tensor) -> Tensor:
    """Return labels of rows; of rows of words which tags each has, (rows, tags), 0 or 1.

    Of rows of choices, each of which a head reads alone, whether it is the right one; of rows whose
    tokens are masked 0, as they have no labels.
    """
    kind = kind_of(task)
    if kind.copies:
        return labels.repeat_interleave(kind.sequences)
    if kind.masks:
        return labels.new_zeros(len(labels))
    if kind.has_choices:
        return torch.nn.functional.one_hot(labels.long(), kind.sequences).flatten().float()
    if not kind.reads_words:
        return labels
    return torch.stack([(labels == tag).any(dim=1) for tag in range(kind.outputs)], dim=1).float()


def _features(encoder: PreTrainedModel, layer: int, batch: Batch) -> tuple[Tensor, Tensor]:
    (hidden,) = hidden_states(encoder, batch.inputs, [layer])
    mask = batch.inputs["attention_mask"].unsqueeze(-1)
    return hidden[:, 0], (hidden * mask).sum(dim=1) / mask.sum(dim=1)
