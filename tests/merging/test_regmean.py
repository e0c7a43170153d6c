from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.support.merges import random_models
from tlbench.errors import UserError
from tlbench.merging.average import Average
from tlbench.merging.regmean import RegMean, input_products, regression_step
from tlbench.plan.merge_rule import MergedModel


class Linear(nn.Module):
    """An encoder of one linear layer and a scale, whose input is called as an encoder's."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.norm(self.dense(features))


def model(
    seed: int, rows: int = 40, inputs: int = 6, tokens: int = 3
) -> tuple[MergedModel, Tensor]:
    """A model, and the features of its rows, (rows, 3 tokens, inputs)."""
    torch.manual_seed(seed)
    encoder = Linear(inputs, 4)
    features = torch.randn(rows, 3, inputs) @ torch.randn(inputs, inputs)

    def first(count: int) -> Iterator[dict[str, Tensor]]:
        yield from ({"features": row[None]} for row in features[:count])

    weights = {name: value.detach() for name, value in encoder.named_parameters()}
    return MergedModel(f"task{seed}", weights, encoder, first), features


def objective(weight: Tensor, models: list[tuple[MergedModel, Tensor]]) -> float:
    """The squared distance of outputs, on the inputs of each model."""
    total = 0.0
    for one, features in models:
        change = weight.double() - one.weights["dense.weight"].double()
        total += float((features.double() @ change.T).square().sum())
    return total


def test_a_linear_model_is_least_squares_over_both_data_sets() -> None:
    both = [model(0), model(1)]
    merged = RegMean(40, 1).merge([one for one, _ in both], both[0][0].weights)
    features = torch.cat([features.flatten(0, 1) for _, features in both]).double()
    outputs = torch.cat(
        [
            features.flatten(0, 1).double() @ one.weights["dense.weight"].T.double()
            for one, features in both
        ]
    )
    golden = torch.linalg.lstsq(features, outputs).solution.T
    torch.testing.assert_close(merged["dense.weight"].double(), golden, rtol=0, atol=1e-6)
    mean = Average().merge([one for one, _ in both], both[0][0].weights)
    for name in ("dense.bias", "norm.weight", "norm.bias"):
        assert merged[name].equal(mean[name])


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_the_less_the_products_are_shrunk_the_nearer_are_the_outputs(seed: int) -> None:
    both = [model(seed), model(seed + 1)]
    models, start = [one for one, _ in both], both[0][0].weights
    exact, usual, diagonal = (
        objective(RegMean(40, a).merge(models, start)["dense.weight"], both) for a in (1, 0.9, 0)
    )
    mean = objective(Average().merge(models, start)["dense.weight"], both)
    assert exact <= usual * (1 + 1e-5) <= mean * (1 + 1e-5)
    assert exact <= diagonal * (1 + 1e-5)


def test_a_weight_is_outputs_by_inputs() -> None:
    """Of one input that a task alone has, its model has the say."""
    first, second = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.zeros(3, 2)
    products = [
        torch.diag(torch.tensor([1.0, 0])).double(),
        torch.diag(torch.tensor([0, 1.0])).double(),
    ]
    middle = (first + second).double() / 2
    merged = middle + regression_step(products, [first, second], middle)
    assert merged.tolist() == [[1, 0], [3, 0], [5, 0]]


def test_an_input_that_is_always_0_leaves_the_mean() -> None:
    products = [torch.diag(torch.tensor([2.0, 0])).double()] * 2
    weights = [torch.tensor([[1.0, 5.0]]), torch.tensor([[3.0, 7.0]])]
    middle = torch.tensor([[2.0, 6.0]]).double()
    assert regression_step(products, weights, middle).tolist() == [[0, 0]]


def test_a_direction_of_which_the_rows_say_nothing_leaves_the_mean() -> None:
    along = torch.ones(2, 2).double()  # of the inputs (1, 1): not invertible
    weights = [torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 1.0]])]
    middle = torch.tensor([[1.5, 0.5]]).double()
    step = regression_step([along, 3 * along], weights, middle)
    assert step.flatten().tolist() == pytest.approx([0.25, 0.25])  # outputs 1 and 3, weighed 1 to 3


def test_rows_of_fewer_tokens_than_inputs_lead_to_no_large_weights() -> None:
    both = [model(5, rows=1), model(6, rows=1)]
    models = [one for one, _ in both]
    merged = RegMean(1, 1).merge(models, models[0].weights)["dense.weight"]
    assert objective(merged, both) < 1e-9  # 6 tokens of 6 inputs: each may have its own outputs
    half = [model(7, rows=1), model(7, rows=1)]  # 3 different ones
    same = [one for one, _ in half]
    other = {**same[1].weights, "dense.weight": same[1].weights["dense.weight"] + 1}
    same[1] = MergedModel("other", other, same[1].encoder, same[1].rows)
    merged = RegMean(1, 1).merge(same, same[0].weights)["dense.weight"]
    mean = Average().merge(same, same[0].weights)["dense.weight"]
    torch.testing.assert_close(merged, mean, rtol=0, atol=1e-5)


def test_products_are_of_the_first_rows_alone() -> None:
    one, features = model(3)
    few = features[:5].flatten(0, 1).double()
    products = input_products(one, 5)
    assert set(products) == {"dense.weight"}
    torch.testing.assert_close(products["dense.weight"], few.T @ few)
    assert not one.encoder.dense._forward_pre_hooks


@pytest.mark.parametrize("off_diagonal", [0.9, 1])
def test_models_that_are_the_same_are_that_one(off_diagonal: float) -> None:
    one, _ = model(4)
    merged = RegMean(40, off_diagonal).merge([one, one], one.weights)
    for name, value in one.weights.items():
        torch.testing.assert_close(merged[name], value, rtol=0, atol=1e-6)


def test_an_encoder_without_linear_layers_is_averaged() -> None:
    models, start = random_models(2, 0)
    empty = [MergedModel(one.task, one.weights, one.encoder, lambda _: iter(())) for one in models]
    merged, mean = RegMean(8, 0.9).merge(empty, start), Average().merge(models, start)
    assert all(merged[name].equal(mean[name]) for name in start)


@pytest.mark.parametrize(
    ("rows", "off_diagonal", "said"), [(0, 0.9, "rows: 0"), (8, 1.1, "off_diagonal: 1.1")]
)
def test_options_that_are_none_are_one_sentence(rows: int, off_diagonal: float, said: str) -> None:
    with pytest.raises(UserError, match=f"^Change merging.{said} is not a number from"):
        RegMean(rows, off_diagonal)
