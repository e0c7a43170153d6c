from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tlbench.errors import UserError
from tlbench.methods.base import Method, make_method

if TYPE_CHECKING:
    from torch import Tensor


class Only(Method):
    """One task alone counts."""

    def __init__(self, tasks: Sequence[str], task: str) -> None:
        super().__init__(tasks)
        self.task = task

    def row_weights(self, counts: Sequence[int]) -> "Tensor":
        import torch

        counted = [float(name == self.task) for name in self.tasks]
        return torch.repeat_interleave(torch.tensor(counted), torch.tensor(counts))


class Unfinished(Method):
    """A method without its one method."""


class Broken(Only):
    """A method whose constructor fails."""

    def __init__(self, tasks: Sequence[str]) -> None:
        raise ValueError("weights must add up to 1")


def test_a_users_method_gets_the_tasks_and_its_options() -> None:
    config = {"name": "only", "label": "one", "_target_": f"{__name__}.Only", "task": "b"}
    assert make_method(config, ["a", "b"]).row_weights([2, 1]).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "Change method._target_: 'None' can't be imported"),
        ({"_target_": "no.such"}, "Change method._target_: 'no.such' can't be imported"),
        ({"_target_": "pathlib.Path"}, "Change method"),
        ({"_target_": "os.getcwd"}, "Change method._target_: 'os.getcwd' is of Python's own libr"),
        ({"_target_": f"{__name__}.Only"}, "Change method: .*Only' can't be made .*'task'"),
        ({"_target_": "tlbench.methods.sum.Sum", "x": 1}, "Change method: .*can't be made .*'x'"),
        (
            {"_target_": f"{__name__}.Unfinished"},
            "Change method._target_, or the class: '.*Unfinished' lacks row_weights",
        ),
        (
            {"_target_": f"{__name__}.Broken"},
            "Change method: .*Broken' can't be made .ValueError: weights must add up to 1 in test_",
        ),
    ],
)
def test_a_wrong_method_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_method(config, ["a"])
