import pytest
import torch
from scipy.optimize import minimize

from tests.support.merges import equal, models_of, random_models, started_at
from tlbench.merging.metagpt import MetaGPT, scales


@pytest.mark.parametrize(
    ("squared_norms", "golden"),
    [
        ([1, 4, 9], [0.071429, 0.285714, 0.642857]),  # norms 1, 2 and 3
        ([5, 4, 3], [0.416667, 0.333333, 0.25]),  # of the vectors below
    ],
)
def test_scales(squared_norms: list[float], golden: list[float]) -> None:
    assert scales(squared_norms) == pytest.approx(golden, abs=1e-6)


def test_what_is_merged() -> None:
    models = models_of([[1.0, 0.0, 2.0], [0.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    merged = MetaGPT().merge(models, started_at([0.0, 0.0, 0.0]))
    assert merged["weight"].tolist() == pytest.approx([0.666667, 0.916667, 1.083333], abs=1e-6)


def test_of_orthogonal_vectors_the_scales_minimise_the_papers_objective() -> None:
    vectors = torch.diag(torch.tensor([1.0, 2.0, 3.0])).double()
    norms = vectors.square().sum(dim=1)

    def objective(values: list[float]) -> float:
        merged = (torch.tensor(values).double()[:, None] * vectors).sum(dim=0)
        return float((norms * (merged - vectors).square().sum(dim=1)).sum())

    found = minimize(objective, [0.3, 0.3, 0.3], tol=1e-12).x
    assert scales(norms.tolist()) == pytest.approx(list(found), abs=1e-5)


def test_models_that_are_the_same_are_that_one() -> None:
    (model,), start = random_models(1, 0)
    merged = MetaGPT().merge([model, model], start)
    for name in start:
        torch.testing.assert_close(merged[name], model.weights[name], rtol=0, atol=2e-7)


def test_models_that_have_not_moved_are_the_pretrained_encoder() -> None:
    models = models_of([[1.0, 2.0], [1.0, 2.0]])
    start = started_at([1.0, 2.0])
    assert equal(MetaGPT().merge(models, start), start)
