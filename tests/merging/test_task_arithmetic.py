import pytest
import torch

from tests.support.merges import equal, models_of, random_models, started_at
from tlbench.errors import UserError
from tlbench.merging.average import Average
from tlbench.merging.task_arithmetic import TaskArithmetic


def test_a_part_of_all_changes_is_added() -> None:
    models = models_of([[2.0, 1.0], [1.0, -3.0]])  # changes (1, 0) and (0, -4)
    merged = TaskArithmetic(0.5).merge(models, started_at([1.0, 1.0]))
    assert merged["weight"].tolist() == [1.5, -1.0]


def test_none_of_them_is_the_pretrained_encoder() -> None:
    models, start = random_models(3, 0)
    assert equal(TaskArithmetic(0).merge(models, start), start)


def test_one_part_in_as_many_as_there_are_models_is_their_mean() -> None:
    models, start = random_models(4, 1)
    merged, mean = TaskArithmetic(0.25).merge(models, start), Average().merge(models, start)
    for name in start:
        torch.testing.assert_close(merged[name], mean[name], rtol=0, atol=2e-7)


@pytest.mark.parametrize("scale", [-0.1, 11, "much", None, True])
def test_a_scale_that_is_none_is_one_sentence(scale: object) -> None:
    with pytest.raises(UserError, match=r"^Change merging.scale: .* is not a number from 0 to 10."):
        TaskArithmetic(scale)
