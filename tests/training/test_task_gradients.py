"""Gradients of tasks side by side, beside the same with every row of an embedding written out."""

import pytest
import torch
from torch import Tensor, nn

from tlbench.training.task_gradients import TaskGradients, gramian


class Encoder(nn.Module):
    """Two embeddings, of which a batch has few rows, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(1000, 8), nn.Embedding(16, 8)
        self.layer = nn.Linear(8, 8)

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.words(ids) + self.places(torch.arange(len(ids)))
        features: Tensor = self.layer(hidden).square().sum()
        return features


TOKENS = ([3, 5, 5, 900], [5, 7], [999])


def whole(encoder: Encoder) -> list[Tensor]:
    """Return the gradient of every task, flat."""
    of_tasks = []
    for ids in TOKENS:
        encoder.zero_grad()
        encoder(torch.tensor(ids)).backward()
        parts = [one.grad for one in encoder.parameters()]
        of_tasks.append(torch.cat([part.flatten() for part in parts if part is not None]))
    return of_tasks


def taken(encoder: Encoder) -> TaskGradients:
    gradients = TaskGradients(encoder)
    for ids in TOKENS:
        encoder.zero_grad()
        encoder(torch.tensor(ids)).backward()
        gradients.take()
    return gradients


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder()


def test_products_and_sum_are_those_of_whole_gradients(encoder: Encoder) -> None:
    rows = torch.stack(whole(encoder))
    gradients = taken(encoder)
    assert all(one.grad is None for one in encoder.parameters())
    products = rows.double() @ rows.double().T
    assert torch.allclose(gradients.gramian(), products, rtol=1e-12)
    gradients.put([0.5, -2.0, 3.0])
    total = torch.cat([one.grad.flatten() for one in gradients.parameters if one.grad is not None])
    assert torch.allclose(total, torch.tensor([0.5, -2.0, 3.0]) @ rows, atol=1e-6)


def test_of_an_embedding_only_the_rows_that_have_a_gradient_are_kept(encoder: Encoder) -> None:
    kept = [len(one.values) for one in taken(encoder)._rows[0]]
    assert kept == [3, 2, 1]


def test_a_task_without_a_gradient_counts_as_zero(encoder: Encoder) -> None:
    gradients = taken(encoder)
    encoder.words.weight.grad = torch.zeros_like(encoder.words.weight)
    gradients.take()
    products = gradients.gramian()
    assert products.shape == (4, 4)
    assert products[3].abs().sum() == 0
    gradients.put([1.0] * 4)
    assert encoder.words.weight.grad is not None
    assert encoder.words.weight.grad[[5, 7, 999]].abs().sum(dim=1).min() > 0


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1e-44])
def test_no_number_of_a_row_is_lost(encoder: Encoder, number: float) -> None:
    """A training that has diverged is one, and a row of tiny or negative numbers is a row."""
    gradients = TaskGradients(encoder)
    encoder.words.weight.grad = torch.zeros_like(encoder.words.weight)
    encoder.words.weight.grad[17, 3] = number
    gradients.take()
    gradients.put([1.0])
    gradient = encoder.words.weight.grad
    assert gradient is not None
    assert torch.equal(gradient[17, 3], torch.tensor(number)) or gradient[17, 3].isnan()
    assert gradient.count_nonzero() == 1


def test_weights_that_are_not_trained_have_no_gradient(encoder: Encoder) -> None:
    encoder.words.requires_grad_(False)
    assert len(TaskGradients(encoder).parameters) == 3


def test_the_products_are_of_all_digits() -> None:
    """In float32 the length of this one would be that of its first number."""
    gradient = torch.cat([torch.full((1,), 1e4), torch.full((1000,), 1e-1)])
    assert gramian([[gradient]]).item() == pytest.approx(1e8 + 10, rel=1e-9)


def test_pieces_of_a_long_gradient_add_up() -> None:
    ones, twos = torch.ones(2**17 + 5), torch.full((2**17 + 5,), 2.0)
    count = float(2**17 + 5)
    assert gramian([[ones, twos]]).tolist() == [[count, 2 * count], [2 * count, 4 * count]]
