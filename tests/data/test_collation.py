from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
import pytest
import torch
from pytorch_lightning.plugins.precision import HalfPrecision

from tests.support.experiments import Compose
from tlbench.methods.sum import Sum
from tlbench.plan.build import build
from tlbench.training.datamodule import MultiTaskDataModule


@pytest.mark.slow
def test_rows_of_like_length_share_batches_if_asked(compose: Compose) -> None:
    padding = {}
    for group in (True, False):
        cfg = compose("subsample_size=full", f"group_by_length={group}", "target_task=qnli")
        data = MultiTaskDataModule(build(cfg).plan()[-1])
        data.setup()
        shapes = [batch.inputs["attention_mask"] for batch in data.train_dataloader()]
        padding[group] = sum(mask.numel() - mask.sum().item() for mask in shapes)
    assert padding[True] < 0.6 * padding[False]


def test_padding_to_a_multiple_stops_at_the_longest(compose: Compose) -> None:
    data = MultiTaskDataModule(build(compose("encoder.max_length=13")).plan()[-1])
    data.setup()
    lengths = pc.list_value_length(data.train[0].tokens.data.column("input_ids")).to_pylist()
    assert max(lengths) == 13
    shapes = {batch.inputs["input_ids"].shape[1] for batch in data.train_dataloader()}
    assert shapes == {13}


class Doubled(Sum):
    """A method that changes the scale of a task's loss."""

    def row_weights(self, counts: Sequence[int]) -> torch.Tensor:
        return 2 * super().row_weights(counts)


def test_a_method_has_no_effect_on_a_task_alone(compose: Compose) -> None:
    """The stage's key does not hold it, so that all that need the task alone share the stage."""
    method = f"method._target_={__name__}.Doubled"
    together = ("strategy=mtl", "support_task=mnli")
    for overrides, total in (((), 1), (together, 4)):
        data = MultiTaskDataModule(build(compose(method, *overrides)).plan()[-1])
        data.setup()
        batch = next(iter(data.train_dataloader()))
        assert batch.weights.sum().item() == pytest.approx(total)


def test_labels_are_exact_whatever_the_precision(compose: Compose) -> None:
    """Half precision would round 4.2 to 4.1875, and class 257 to 256."""
    cfg = compose("target_task=stsb", "trainer.precision=bf16-true")
    data = MultiTaskDataModule(build(cfg).plan()[-1])
    data.setup()
    (rows,) = data.train
    odd = [4.2, 257.0]
    labelled = rows.tokens.map(lambda _, i: {"label": odd[i % 2]}, with_indices=True)
    object.__setattr__(rows, "tokens", labelled)
    for batch in data.train_dataloader():
        converted = HalfPrecision("bf16-true").convert_input(batch)
        expected = [float(np.float32(odd[i % 2])) for i in converted.ids.tolist()]
        assert converted.labels[0].tolist() == expected
