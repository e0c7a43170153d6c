from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from tlbench.models.discriminator import Discriminator
from tlbench.models.terms import Read


def read(features: Sequence[torch.Tensor]) -> Read:
    return Read((), (), features, (), (), ())


def discriminator(weight: float = 0.1, tasks: int = 3) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(4, tasks, weight)


def features(*sizes: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 4, generator=generator, requires_grad=True) for size in sizes]


def test_its_loss_is_the_cross_entropy_of_whose_row_it_is() -> None:
    one, (a, b, c) = discriminator(), features(2, 0, 3)
    of_a, of_b, of_c = one(read([a, b, c]))
    logits = one.output(torch.relu(one.dense(torch.cat([a, c]))))
    expected = cross_entropy(logits, torch.tensor([0, 0, 2, 2, 2]), reduction="none")
    assert of_b.shape == (0,)
    torch.testing.assert_close(torch.cat([of_a, of_c]), expected)


@given(progress=st.floats(0, 1))
def test_it_learns_with_one_sign_and_the_encoder_with_the_other(progress: float) -> None:
    one, parts = discriminator(0.5), features(2, 1, 1)
    one.proceed(progress)
    torch.cat(one(read(parts))).sum().backward()
    plain = [part.detach().requires_grad_() for part in parts]
    logits = one.output(torch.relu(one.dense(torch.cat(plain))))
    truth = torch.tensor([0, 0, 1, 2])
    gradients = torch.autograd.grad(
        cross_entropy(logits, truth, reduction="sum"), [*plain, one.dense.weight]
    )
    assert one.dense.weight.grad is not None
    torch.testing.assert_close(one.dense.weight.grad, gradients[-1])
    for part, gradient in zip(parts, gradients, strict=False):
        torch.testing.assert_close(part.grad, -one.strength * gradient)


def test_the_encoder_is_opposed_more_and_more() -> None:
    one = discriminator(0.1)
    strengths = []
    for progress in (0.0, 0.1, 0.5, 1.0):
        one.proceed(progress)
        strengths.append(one.strength)
    # 2 / (1 + exp(-10 p)) - 1
    assert strengths == pytest.approx([0, 0.0462117, 0.0986614, 0.0999909], abs=1e-6)


def test_rows_told_right_are_counted_by_task_until_they_are_taken() -> None:
    one = discriminator(tasks=2)
    torch.nn.init.zeros_(one.output.weight)
    one.output.bias.data = torch.tensor([1.0, 0.0])  # all rows are the first task's
    one(read(features(2, 3)))
    one(read(features(1, 0)))
    assert one.take().tolist() == [[3, 3], [3, 0]]
    assert one.take().tolist() == [[0, 0], [0, 0]]
    assert "counts" not in one.state_dict()
