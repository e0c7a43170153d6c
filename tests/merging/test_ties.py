import pytest
import torch

from tests.support.merges import models_of, random_models, started_at
from tlbench.errors import UserError
from tlbench.merging.ties import Ties, disjoint_mean, elected_signs, trim

CHANGES = torch.tensor([[0.9, -0.2, 0.1, -0.8], [-0.5, 0.6, 0.05, -0.7], [0.3, 0.7, -0.4, 0.6]])


def test_the_golden_case() -> None:
    trimmed = torch.stack([trim(change, 0.5) for change in CHANGES])
    signs = elected_signs(trimmed)
    assert signs.tolist() == [1, 1, 1, -1]
    assert disjoint_mean(trimmed, signs).tolist() == pytest.approx([0.9, 0.65, 0, -0.75])


def test_it_is_added_to_the_pretrained_weights_times_the_scale() -> None:
    start = [1.0, 2.0, 3.0, 4.0]
    models = models_of((torch.tensor(start) + CHANGES).tolist())
    merged = Ties(0.5, 2).merge(models, started_at(start))
    assert merged["weight"].tolist() == pytest.approx([2.8, 3.3, 3, 2.5], abs=1e-6)


def test_entries_as_large_as_the_smallest_that_is_kept_are_kept() -> None:
    assert trim(torch.tensor([1.0, -2.0, 2.0, 0.5]), 0.25).tolist() == [0, -2, 2, 0]
    assert trim(torch.tensor([1.0, -2.0, 2.0, 0.5]), 1).tolist() == [1, -2, 2, 0.5]


def test_a_part_of_the_whole_vector_is_kept_and_not_of_each_tensor() -> None:
    models, start = random_models(2, 0)
    name = "dense.bias"
    far = {**models[0].weights, name: start[name] + 100}
    far_models = [type(models[0])("far", far, models[0].encoder, iter)] * 2
    merged = Ties(7 / 42, 1).merge(far_models, start)  # as many weights as the bias has
    torch.testing.assert_close(merged[name], far[name])
    assert merged["dense.weight"].equal(start["dense.weight"])


def test_where_changes_cancel_out_the_majoritys_sign_is_taken() -> None:
    trimmed = torch.tensor([[1.0, -1.0, -1.0], [-1.0, -1.0, -2.0]])
    assert elected_signs(trimmed).tolist() == [-1, -1, -1]


def test_models_that_are_the_same_are_that_one_where_nothing_is_trimmed() -> None:
    (model,), start = random_models(1, 0)
    merged = Ties(1, 1).merge([model] * 3, start)
    for name in start:
        torch.testing.assert_close(merged[name], model.weights[name], rtol=0, atol=5e-7)


@pytest.mark.parametrize(
    ("density", "scale", "said"),
    [
        (0, 1, "merging.density: 0"),
        (1.5, 1, "merging.density: 1.5"),
        (0.2, -1, "merging.scale: -1"),
    ],
)
def test_options_that_are_none_are_one_sentence(density: float, scale: float, said: str) -> None:
    with pytest.raises(UserError, match=f"^Change {said} is not a number from"):
        Ties(density, scale)
