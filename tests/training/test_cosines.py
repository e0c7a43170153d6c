import math

import pytest
import torch

from tlbench.training.cosines import TaskCosines

HALF = torch.tensor([[1.0, 1], [1, 4]], dtype=torch.float64)
AGAINST = torch.tensor([[4.0, -2], [-2, 1]], dtype=torch.float64)


def step(cosines: TaskCosines, products: torch.Tensor, places: tuple[int, ...]) -> None:
    cosines.latest = products, places, [1.0] * len(places)
    cosines.step()


def test_a_pair_has_its_mean_over_the_steps_that_had_both() -> None:
    cosines = TaskCosines(["a", "b", "c"])
    step(cosines, HALF, (0, 1))
    step(cosines, AGAINST, (0, 1))
    step(cosines, HALF, (0, 2))
    assert cosines.end_epoch() == pytest.approx({"a+b": -0.25, "a+c": 0.5})
    step(cosines, AGAINST, (1, 2))
    assert cosines.end_epoch() == pytest.approx({"b+c": -1.0})
    assert [sorted(epoch) for epoch in cosines.epochs] == [["a+b", "a+c"], ["b+c"]]


def test_a_zero_gradient_has_no_cosine() -> None:
    cosines = TaskCosines(["a", "b"])
    step(cosines, torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64)), (0, 1))
    assert cosines.end_epoch() == {}


def test_it_goes_on_from_its_state() -> None:
    cosines, resumed = TaskCosines(["a", "b"]), TaskCosines(["a", "b"])
    step(cosines, HALF, (0, 1))
    cosines.end_epoch()
    step(cosines, HALF, (0, 1))
    resumed.load_state_dict(cosines.state_dict())
    step(resumed, AGAINST, (0, 1))
    assert math.isclose(resumed.end_epoch()["a+b"], -0.25)
    assert len(resumed.epochs) == 2


def test_what_the_tasks_of_the_latest_batch_counted() -> None:
    cosines = TaskCosines(["a", "b", "c"])
    assert cosines.weights() == {}
    cosines.latest = HALF, (0, 2), [0.5, 2.0]
    assert cosines.weights() == {"a/weight": 0.5, "c/weight": 2.0}
