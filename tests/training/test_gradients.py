"""Gradients that are made task by task, beside one backward of all rows."""

import pytest
import torch
from torch import Tensor

from tests.support.stepping import COUNTS, Stepper, batch

ONES = (
    "method=nash_mtl",
    "method.rule._target_=tests.training.test_gradients.Ones",
)


class Ones:
    """The rule that changes nothing."""

    def __call__(self, products: Tensor) -> Tensor:
        return torch.ones(len(products))


class Seen:
    """Keeps the Gramian that it was called with."""

    latest: Tensor

    def __call__(self, products: Tensor) -> Tensor:
        Seen.latest = products
        return torch.full((len(products),), 2.0)


SEEN = ("method=nash_mtl", "method.rule._target_=tests.training.test_gradients.Seen")


@pytest.mark.parametrize("heads", ["per_task", "per_label_count"])
@pytest.mark.parametrize("micro", [None, 3, 1])
def test_of_equal_weights_it_is_the_gradient_of_the_sum(heads: str, micro: int | None) -> None:
    """With a task that is absent, whatever the micro-batches, and for heads that tasks share."""
    expected = Stepper(heads=heads, micro=micro)
    by_task = Stepper(*ONES, heads=heads, micro=micro)
    gradients = expected.gradient(batch()), by_task.gradient(batch())
    whole, made = (torch.cat([one.flatten() for one in of.values()]) for of in gradients)
    assert gradients[0].keys() == gradients[1].keys()
    assert float((made - whole).norm() / whole.norm()) < 1e-7
    assert torch.allclose(by_task.loss, expected.loss)
    assert [len(one) for one in by_task.losses] == list(COUNTS)
    for one, other in zip(by_task.losses, expected.losses, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_rule_weighs_the_encoder_and_leaves_the_heads_their_own() -> None:
    expected, by_task = Stepper(), Stepper(*SEEN)
    gradients = expected.gradient(batch()), by_task.gradient(batch())
    assert Seen.latest.shape == (3, 3)  # of the tasks that have rows
    for name, value in gradients[0].items():
        weight = 2 if name.startswith("encoder.") else 1
        assert torch.allclose(gradients[1][name], weight * value, atol=1e-6), name


def test_the_gramian_is_of_the_tasks_gradients() -> None:
    by_task = Stepper(*SEEN)
    by_task.gradient(batch())
    rows = []
    for task, count in enumerate(COUNTS[:3]):
        alone = Stepper()
        counts = [0] * len(COUNTS)
        counts[task] = count
        (part,) = [rows for place, rows in batch().by_task() if place == task]
        assert list(part.counts) == counts
        named = alone.gradient(part)
        encoder = [value.flatten() for name, value in named.items() if name.startswith("encoder.")]
        rows.append(torch.cat(encoder).double())
    stacked = torch.stack(rows)
    assert torch.allclose(Seen.latest, stacked @ stacked.T, rtol=1e-6)


def test_under_autocast_products_and_sum_keep_their_precision() -> None:
    """Lightning's step runs in it: both would be of 16-bit numbers without a word."""
    stepper = Stepper(*SEEN)
    put, dtypes = stepper.balance._gradient._put, []  # type: ignore[attr-defined]

    def watched(*arguments: object) -> None:
        one = torch.full((4, 4), 1 + 2**-12)
        dtypes.append((one @ one).dtype)
        put(*arguments)

    stepper.balance._gradient._put = watched  # type: ignore[attr-defined]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gradient = stepper.gradient(batch())
    assert dtypes == [torch.float32]
    assert Seen.latest.dtype == torch.float64
    assert {value.dtype for value in gradient.values()} == {torch.float32}
