"""Consistency: a head that says the same of a row under two dropouts, as a support of its task."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tests.support.experiments import Compose, Run, write_rows
from tests.support.interrupting import LENGTH, SIZES, assert_goes_on
from tests.tasks.test_unlabelled import OF_FILE, write_unlabelled
from tlbench.config.schema import Source, Task
from tlbench.data.collation import MultiTaskDataset
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.tasks.consistency import Consistency
from tlbench.tasks.definition import check_task
from tlbench.training.datamodule import MultiTaskDataModule

PAIR = ("strategy=mtl", "target_task=rte", "support_task=consistency")
TASK = Task(
    "c", ["a", "b"], ["accuracy"], ["accuracy"], Source("generated", name="rte"), "consistency"
)


def losses(logits: list[list[float]]) -> torch.Tensor:
    return Consistency(TASK).losses(torch.tensor(logits), torch.full((len(logits),), torch.nan))


def test_a_row_of_which_both_say_the_same_costs_nothing_and_others_what_they_differ() -> None:
    found = losses([[1, 2, 1, 2], [0, np.log(3), np.log(3), 0]])
    # Of (1/4, 3/4) and (3/4, 1/4): log 3 times a half, either way.
    assert found.tolist() == pytest.approx([0, np.log(3) / 2], abs=1e-6)


@given(logits=st.lists(st.tuples(*[st.floats(-8, 8)] * 4), min_size=1, max_size=20))
def test_it_is_the_mean_of_both_divergences(logits: list[tuple[float, ...]]) -> None:
    first, second = torch.tensor(logits).view(-1, 2, 2).log_softmax(dim=2).unbind(dim=1)
    both = [
        functional.kl_div(one, other, log_target=True, reduction="none").sum(dim=1)
        for one, other in ((first, second), (second, first))
    ]
    found = losses([list(row) for row in logits])
    assert found.tolist() == pytest.approx((sum(both) / 2).tolist(), abs=1e-4)  # type: ignore[union-attr]
    assert (found > -1e-6).all()


def test_a_head_of_its_own_is_refused() -> None:
    with pytest.raises(UserError, match=r"^Set head of task 'c' to the task that it is made of"):
        check_task(TASK)
    check_task(replace(TASK, head="other"))


@pytest.mark.parametrize("strategy", ["stilts", "merge"])
def test_alone_it_learns_of_no_label_and_is_refused(compose: Compose, strategy: str) -> None:
    with pytest.raises(UserError, match=r"^Change strategy to one that trains rte and consistency"):
        build(compose(f"strategy={strategy}", *PAIR[1:])).plan()


def test_rows_are_read_twice_under_two_dropouts_by_one_head(compose: Compose) -> None:
    stage = build(compose(*PAIR)).plan()[-1]
    data = MultiTaskDataModule(stage)
    data.setup()
    at = next(i for i, rows in enumerate(data.train) if rows.task.name == "consistency")
    batch = MultiTaskDataset(data.train, data.tokenizer, data.config)[[(at, np.arange(6))]]
    ids = batch.inputs["input_ids"]
    assert batch.sequences == ((2, 1) if at == 0 else (1, 2))
    assert len(ids) == 12
    assert torch.equal(ids[::2], ids[1::2])
    tasks = [rows.task for rows in data.train]
    torch.manual_seed(0)
    model = MultiTaskModel(load_encoder(stage.config.encoder), tasks, "per_task")
    assert [*model.heads] == ["head_rte"]
    assert (model.train().losses(batch)[at] > 0).all()
    assert model.eval().losses(batch)[at].tolist() == pytest.approx([0] * 6, abs=1e-6)


def test_its_score_is_the_target_s_and_rows_without_labels_do(run: Run, tmp_path: Path) -> None:
    write_unlabelled(tmp_path, 30)
    files = (write_rows(tmp_path, train=60, dev=20), f"{OF_FILE}=more.jsonl")
    sizes = ("subsample_size.target=40", "subsample_size.support=null", "subsample_size.dev=null")
    record = run(*PAIR, *sizes, *files, "selection=dev", "optim.lr=1e-3", "keep_weights=all")
    assert record.train_rows == {"rte": 40, "consistency": 30}
    assert record.score is not None
    curve = record.stages[0]["curve"]["scores"]
    assert curve["consistency"] == curve["rte"]
    assert record.stages[0]["data"]["consistency"]["labels"] == {}


def test_both_readings_of_a_row_are_in_one_micro_batch(compose: Compose) -> None:
    stage = build(compose(*PAIR)).plan()[-1]
    data = MultiTaskDataModule(stage)
    data.setup()
    batch = MultiTaskDataset(data.train, data.tokenizer, data.config)[
        [(0, np.arange(5)), (1, np.arange(4))]
    ]
    pieces = list(batch.micro_batches(2))
    assert torch.equal(torch.cat([piece.ids for piece in pieces]), batch.ids)
    assert batch.rows == 9
    for piece in [batch, *pieces]:
        of_tasks = zip(piece.counts, piece.sequences, strict=True)
        assert len(piece.inputs["input_ids"]) == sum(rows * each for rows, each in of_tasks)


def test_an_interrupted_training_goes_on_bit_for_bit(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = build(compose(*PAIR, *SIZES, *LENGTH, "keep_weights=all")).plan()[-1]
    assert_goes_on(stage, tmp_path, monkeypatch)


@pytest.mark.slow
def test_two_devices_train_it(run: Run, compose: Compose) -> None:
    record = run(*PAIR, "trainer.devices=2")
    assert record.status == "done"
    assert record.stages[0]["devices"] == 2
