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
from tlbench.data.masking import Masking
from tlbench.data.planned_batches import PlannedBatch
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


def test_the_second_reading_of_a_trained_row_may_be_masked(compose: Compose) -> None:
    stage = build(compose(*PAIR, "support_task.mask=0.3", "seed=5")).plan()[-1]
    data = MultiTaskDataModule(stage)
    data.setup()
    at = next(i for i, rows in enumerate(data.train) if rows.task.name == "consistency")
    rows, numbers = MultiTaskDataset(data.train, data.tokenizer, data.config), np.arange(6)
    plan: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]]]] = [(at, numbers)]
    trained, evaluated = rows[PlannedBatch(plan, 1, 2)], rows[plan]
    clean, masked = trained.inputs["input_ids"].view(6, 2, -1).unbind(dim=1)
    assert torch.equal(clean, evaluated.inputs["input_ids"][::2])
    assert torch.equal(clean, evaluated.inputs["input_ids"][1::2])
    given = data.train[at].tokens[data.train[at].used[numbers].tolist()]["input_ids"]
    moment, ids = (5, 1, 2), data.train[at].used[numbers].tolist()
    expected = Masking(data.tokenizer).rows(given, ids, moment, 0.3).ids
    for row, tokens, places in zip(masked, expected, given, strict=True):
        assert row[: len(tokens)].tolist() == tokens != places
    assert all(torch.equal(trained.inputs[n], evaluated.inputs[n]) for n in ("attention_mask",))


def test_a_mask_is_of_consistency_alone_and_changes_the_stage(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^Change mask of task 'rte' to 0: it is of consistency"):
        build(compose("target_task=rte", "++target_task.mask=0.1"))
    with pytest.raises(UserError, match=r"support_task\.mask"):
        build(compose(*PAIR, "support_task.mask=1"))
    plain, masked = (
        build(compose(*PAIR, f"support_task.mask={mask}")).plan()[-1] for mask in ("0", "0.15")
    )
    assert plain.key != masked.key


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
    own = ("keep_weights=all", "support_task.mask=0.2")
    stage = build(compose(*PAIR, *SIZES, *LENGTH, *own)).plan()[-1]
    assert_goes_on(stage, tmp_path, monkeypatch)


@pytest.mark.slow
def test_two_devices_train_it(run: Run, compose: Compose) -> None:
    record = run(*PAIR, "trainer.devices=2")
    assert record.status == "done"
    assert record.stages[0]["devices"] == 2
