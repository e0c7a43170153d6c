"""An evaluation that is interrupted is repeated when the stage is resumed, to the same result."""

import signal
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.experiments import Compose
from tests.support.interrupting import (
    INTERRUPTS,
    LENGTH,
    PAIR,
    SIZES,
    Result,
    assert_same,
    cut_off_at,
    stage_of,
    steps_in,
    train,
)
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.plan.stage import Stage
from tlbench.training.best import BestPerTask
from tlbench.training.last_checkpoint import LastCheckpoint
from tlbench.training.module import MultiTaskModule

pytestmark = pytest.mark.slow

# Of an evaluation: the first and the last of three batches, the scores, what is kept, and its end.
IN_EVALUATION = [
    ("validation_step", MultiTaskModule, 1),
    ("validation_step", MultiTaskModule, 3),
    ("on_validation_epoch_end", MultiTaskModule, 1),
    ("on_validation_end", BestPerTask, 1),
    ("on_validation_end", LastCheckpoint, 1),
]


@pytest.mark.parametrize(
    ("mix", "hook", "owner", "call"),
    [
        *((mix, *moment) for mix in ("heterogeneous", "dynamic") for moment in IN_EVALUATION),
        ("workers", *IN_EVALUATION[1]),
    ],
)
def test_an_interrupted_evaluation_is_repeated(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    mix: str,
    hook: str,
    owner: type,
    call: int,
) -> None:
    """At an epoch's end: on its scores the batches of the next depend, if sampling is dynamic."""
    stage = stage_of(compose, mix)
    expected = undisturbed(stage)
    folder = tmp_path / "stage"
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, KeyboardInterrupt, hook, owner, call)
        with pytest.raises(SystemExit):
            train(stage, folder)
    assert steps_in(folder) == 7
    assert_same(train(stage, folder), expected)


def test_an_interrupt_while_better_weights_are_saved_keeps_those_before(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
) -> None:
    stage = stage_of(compose, "heterogeneous")
    expected = undisturbed(stage)
    task, step = max(
        ((t, e["step"]) for t, e in expected.manifest["tasks"].items()), key=itemgetter(1)
    )
    assert step > expected.manifest["history"][0]["step"]
    original = MultiTaskModel.save_head

    def cut(model: MultiTaskModel, of_task: Any, file: Path) -> None:
        if file.parent.name == f"{task}-{step}":
            raise KeyboardInterrupt
        original(model, of_task, file)

    with monkeypatch.context() as patch:
        patch.setattr(MultiTaskModel, "save_head", cut)
        with pytest.raises(SystemExit):
            train(stage, tmp_path / "stage")
    assert steps_in(tmp_path / "stage") == step
    assert_same(train(stage, tmp_path / "stage"), expected)


@pytest.mark.parametrize("error", INTERRUPTS)
@pytest.mark.parametrize("step", [4, 21])
def test_so_is_one_within_an_epoch_or_the_last_or_one_that_is_repeated(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    step: int,
    error: type[BaseException] | signal.Signals,
) -> None:
    stage = stage_of(compose, "heterogeneous")
    expected = undisturbed(stage)
    for batch in (2, 3):
        with monkeypatch.context() as patch:
            cut_off_at(patch, step, error, "validation_step", MultiTaskModule, batch)
            with pytest.raises(SystemExit):
                train(stage, tmp_path / "stage")
        assert steps_in(tmp_path / "stage") == step
    assert_same(train(stage, tmp_path / "stage"), expected)


@pytest.mark.parametrize("owner", [BestPerTask, LastCheckpoint])
def test_an_evaluation_that_ends_the_stage_early_does_so_when_it_is_repeated(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type
) -> None:
    early = ("optim.lr=1e-12", "trainer.early_stopping=1", "keep_weights=all")
    stage = build(compose(*PAIR, *SIZES, *LENGTH, *early)).plan()[-1]
    expected = train(stage, tmp_path / "whole")
    assert [entry["step"] for entry in expected.manifest["history"]] == [4, 7]
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, KeyboardInterrupt, "on_validation_end", owner)
        with pytest.raises(SystemExit):
            train(stage, tmp_path / "stage")
    assert steps_in(tmp_path / "stage") == 7
    assert_same(train(stage, tmp_path / "stage"), expected)


def test_an_evaluation_draws_no_random_number(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if an encoder does: else one that is made again would change what follows."""
    plain = train(stage_of(compose, "heterogeneous"), tmp_path / "plain")
    step = MultiTaskModule.validation_step

    def draws(*arguments: Any) -> None:
        torch.rand(1)
        step(*arguments)

    monkeypatch.setattr(MultiTaskModule, "validation_step", draws)
    assert_same(train(stage_of(compose, "heterogeneous"), tmp_path / "drawn"), plain)
