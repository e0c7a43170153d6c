"""A forward that does not fit into the memory is done again with fewer rows, to the same end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.support.experiments import Compose, stage_run
from tests.support.interrupting import KilledError, cut_off_at
from tlbench.data.batch import Batch
from tlbench.errors import UserError
from tlbench.models import multitask
from tlbench.plan.build import build
from tlbench.training import memory
from tlbench.training.memory import Forwards
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import train_stage

FULL_GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore of it")
FULL_CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4000000000 bytes."
)
RUN = ("target_task=rte", "batch_size=16", "trainer.max_steps=4", "trainer.max_epochs=1")


@pytest.mark.parametrize("error", [FULL_GPU, FULL_CPU, MemoryError()])
def test_errors_that_say_so(error: Exception) -> None:
    assert memory.is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2"), RuntimeError("could not create a primitive")]
)
def test_errors_that_do_not(error: Exception) -> None:
    assert not memory.is_out_of_memory(error)


def full_above(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Have the forward of more rows than that draw random numbers and fail."""
    forward = multitask.layer_features

    def forward_if_it_fits(encoder: Any, inputs: Any, *more: Any) -> Any:
        if len(inputs["input_ids"]) > rows:
            torch.rand(7)
            raise FULL_GPU
        return forward(encoder, inputs, *more)

    monkeypatch.setattr(multitask, "layer_features", forward_if_it_fits)


def train(compose: Compose, folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    stage = build(compose(*RUN, "keep_weights=all", *overrides)).plan()[-1]
    return train_stage(stage_run(stage, folder), None)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{file.parent.name}/{name}": tensor
        for file in sorted(folder.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


@pytest.mark.slow
def test_it_ends_with_what_the_smaller_rows_give_from_the_start(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    small = train(compose, tmp_path / "small", "micro_batch_size=4")
    full_above(monkeypatch, 4)
    found = train(compose, tmp_path / "halved")
    assert found["micro_batch_size"] == 4
    steps_and_rows = [(one["step"], one.get("micro_batch_size")) for one in found["out_of_memory"]]
    assert steps_and_rows[:2] == [(0, 8), (0, 4)]
    assert any("eval_batch_size" in one for one in found["out_of_memory"])
    assert "from step 0 on a forward takes 4 rows (micro_batch_size)" in caplog.text
    assert small["out_of_memory"] == []
    ours, theirs = weights(tmp_path / "halved"), weights(tmp_path / "small")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    scores = [np.array([one["tasks"]["rte"]["score"]]) for one in (found, small)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.slow
def test_a_stage_that_goes_on_keeps_the_rows_that_it_had_come_to(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_above(monkeypatch, 8)
    with monkeypatch.context() as patch:
        cut_off_at(patch, 2, KilledError, "on_train_batch_start", MultiTaskModule)
        with pytest.raises(KilledError):
            train(compose, tmp_path / "stage", "trainer.checkpoint_steps=1")
    found = train(compose, tmp_path / "stage", "trainer.checkpoint_steps=1")
    at_training = [one for one in found["out_of_memory"] if "micro_batch_size" in one]
    assert at_training == [{"step": 0, "micro_batch_size": 8}]
    assert found["resumed_under"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "rows", "expected"),
    [
        (
            ["trainer.out_of_memory=stop"],
            4,
            "Change micro_batch_size to less than 16: the device is out of memory; or "
            "trainer.out_of_memory to halve (CUDA out of memory. Tried to allocate 2.00 GiB.).",
        ),
        (
            [],
            0,
            "Change encoder, encoder.max_length or trainer.precision: the device is out of memory "
            "with one row at a time (CUDA out of memory. Tried to allocate 2.00 GiB.).",
        ),
    ],
)
def test_where_it_can_not_go_on(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: list[str],
    rows: int,
    expected: str,
) -> None:
    full_above(monkeypatch, rows)
    with pytest.raises(UserError) as error:
        train(compose, tmp_path / "stage", *overrides)
    assert str(error.value) == expected


def fails(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_devices_that_wait_for_each_other_do_not_halve() -> None:
    with pytest.raises(UserError, match="several devices can't halve it by themselves"):
        Forwards("micro_batch_size", 8, True).run(fails(FULL_GPU), step=0, devices=2)


def test_other_errors_are_left_as_they_are() -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError) as raised:
        Forwards("micro_batch_size", 8, True).run(fails(error), step=0)
    assert raised.value is error


def test_memory_that_batches_do_not_take_is_named() -> None:
    with pytest.raises(UserError, match="Change encoder to a smaller one"), memory.named():
        raise FULL_GPU


def test_pieces_of_an_evaluation_are_a_part_of_its_batch() -> None:
    """Batches of short rows have more than ``eval_batch_size``."""
    rows = torch.arange(40)
    batch = Batch({"input_ids": rows[:, None]}, (rows.int(),), (40,), rows.float(), rows, 40)
    forwards = Forwards("eval_batch_size", 8, True)
    assert [len(piece.ids) for piece in forwards.pieces(batch)] == [40]
    forwards.resume([{"step": 0, "eval_batch_size": 4}])
    assert [len(piece.ids) for piece in forwards.pieces(batch)] == [20, 20]
    forwards.resume([{"step": 0, "eval_batch_size": 1}])
    assert torch.equal(torch.cat([piece.ids for piece in forwards.pieces(batch)]), rows)
