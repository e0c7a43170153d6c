import torch

from tlbench.methods.rlw import RLW

METHOD = RLW(["a", "b", "c"])


def test_weights_add_up_to_one_and_follow_from_seed_and_step_alone() -> None:
    weights = [METHOD.weights(0, step) for step in range(5)]
    assert all(torch.isclose(one.sum(), torch.tensor(1.0)) for one in weights)
    assert len({tuple(one.tolist()) for one in weights}) == 5
    assert torch.equal(RLW(["a", "b", "c"]).weights(0, 3), weights[3])
    assert not torch.equal(METHOD.weights(1, 3), weights[3])


def test_on_average_tasks_count_the_same() -> None:
    mean = torch.stack([METHOD.weights(0, step) for step in range(4000)]).mean(dim=0)
    assert torch.allclose(mean, torch.full((3,), 1 / 3), atol=0.01)
