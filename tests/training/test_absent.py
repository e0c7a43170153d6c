import logging

import pytest

from tests.support.experiments import Compose
from tlbench.plan.build import build
from tlbench.plan.train_stage import TrainStage
from tlbench.training.absent import say_absent
from tlbench.training.datamodule import MultiTaskDataModule

ALL = (
    "strategy=mtl_all",
    "strategy.tasks=[rte,mnli,qnli,sst2,cola]",
    "batch_size=5",
    "subsample_size.support=null",
    "subsample_size.target=null",
    "+subsample_size.per_task={mnli:400,rte:9,qnli:8,sst2:8,cola:8}",
)


@pytest.mark.parametrize(
    ("overrides", "is_said"),
    [
        (("method=nash_mtl",), True),
        (("method=nash_mtl", "sampling=uniform"), False),
        (("method=nash_mtl", "batch_size=64"), False),
        (("method=sum",), False),
    ],
)
def test_most_tasks_in_most_batches(
    compose: Compose,
    caplog: pytest.LogCaptureFixture,
    overrides: tuple[str, ...],
    is_said: bool,
) -> None:
    stage = build(compose(*ALL, *overrides)).plan()[-1]
    assert isinstance(stage, TrainStage)
    data = MultiTaskDataModule(stage)
    data.setup()
    with caplog.at_level(logging.INFO):
        say_absent(data)
    assert ("a method weighs only these" in caplog.text) == is_said
