import pytest
import torch

from tlbench.methods.dwa import DWA

PRESENT = torch.tensor([True, True, True])


def epoch(method: DWA, *losses: tuple[float, float, float]) -> None:
    for one in losses:
        method.after_step(torch.tensor(one), PRESENT)
    method.after_epoch()


def weights(method: DWA) -> list[float]:
    found: list[float] = method.weights(0, 0).tolist()
    return found


def test_golden() -> None:
    method = DWA(["a", "b", "c"])
    epoch(method, (1, 1, 1.25))
    assert weights(method) == [1, 1, 1]
    epoch(method, (0.9, 0.5, 1.0), (0.7, 0.5, 1.4))  # means: 0.8, 0.5, 1.2
    assert weights(method) == pytest.approx([1.019023, 0.877082, 1.103895], abs=1e-6)


def test_a_window_of_steps_in_place_of_an_epoch() -> None:
    method = DWA(["a", "b", "c"], window=2)
    for losses in [(1, 1, 1), (1, 1, 1.5), (0.9, 0.5, 1.0), (0.7, 0.5, 1.4)]:
        assert weights(method) == [1, 1, 1]
        method.after_step(torch.tensor(losses), PRESENT)
    method.after_epoch()
    assert weights(method) == pytest.approx([1.019023, 0.877082, 1.103895], abs=1e-6)


def test_steps_without_a_task_are_not_in_its_mean() -> None:
    method, other = DWA(["a", "b", "c"]), DWA(["a", "b", "c"])
    for one in (method, other):
        epoch(one, (1, 1, 1.25))
    epoch(other, (0.8, 0.5, 1.2))
    method.after_step(torch.tensor([0.8, 0.5, 0.0]), torch.tensor([True, True, False]))
    method.after_step(torch.tensor([0.8, 0.5, 1.2]), PRESENT)
    method.after_epoch()
    assert weights(method) == pytest.approx(weights(other))


def test_it_goes_on_from_its_state() -> None:
    method = DWA(["a", "b", "c"])
    epoch(method, (1, 1, 1.25))
    method.after_step(torch.tensor([0.9, 0.5, 1.0]), PRESENT)
    resumed = DWA(["a", "b", "c"])
    resumed.load_state_dict(method.state_dict())
    for one in (method, resumed):
        epoch(one, (0.7, 0.5, 1.4))
    assert weights(resumed) == weights(method) != [1, 1, 1]


@pytest.mark.parametrize("options", [{"temperature": 0}, {"window": 0}])
def test_impossible_options(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        DWA(["a"], **options)
