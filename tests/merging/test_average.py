import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.merges import equal, models_of, random_models, started_at
from tlbench.merging.average import Average


def test_every_weight_is_the_mean() -> None:
    models = models_of([[1.0, -2.0], [3.0, 0.0], [5.0, 8.0]])
    merged = Average().merge(models, started_at([100.0, 100.0]))
    assert merged["weight"].tolist() == [3.0, 2.0]


@given(count=st.integers(2, 9), seed=st.integers(0, 2**31))
def test_models_that_are_the_same_are_that_one_bit_for_bit(count: int, seed: int) -> None:
    (model,), start = random_models(1, seed)
    merged = Average().merge([model] * count, start)
    assert equal(merged, model.weights)


def test_it_has_the_type_of_the_encoder() -> None:
    merged = Average().merge(models_of([[0.1], [0.2]]), started_at([0.0]))
    assert merged["weight"].dtype == torch.float32
