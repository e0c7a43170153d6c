"""A stage that is interrupted at any moment ends as if it had not been."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.store.test_integrity import DAMAGES
from tests.support.experiments import Compose
from tests.support.interrupting import (
    INTERRUPTS,
    MIXES,
    KilledError,
    Result,
    assert_goes_on,
    assert_same,
    cut_off_at,
    kill,
    stage_of,
    steps_in,
    train,
)
from tlbench.plan.stage import Stage
from tlbench.store.store import CHECKPOINT
from tlbench.training.last_checkpoint import LastCheckpoint
from tlbench.training.module import MultiTaskModule

pytestmark = pytest.mark.slow

EVERY_STEP = os.environ.get("TLBENCH_SLOW_TESTS") == "1"
STEPS = range(1, 21) if EVERY_STEP else (1, 7, 12)


@pytest.mark.parametrize("mix", MIXES)
def test_a_killed_stage_ends_as_if_it_had_not_been(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    mix: str,
) -> None:
    stage = stage_of(compose, mix)
    expected = undisturbed(stage)
    assert expected.manifest["steps"] >= 21
    stage.config.trainer.checkpoint_steps = 1
    for step in STEPS if mix != "workers" else (9,):
        kill(stage, tmp_path / str(step), monkeypatch, step)
        assert_same(train(stage, tmp_path / str(step)), expected)


@pytest.mark.parametrize("mix", ["heterogeneous", "gradients"])
def test_a_stage_that_goes_on_with_gradient_checkpointing_ends_as_without(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    mix: str,
) -> None:
    stage = stage_of(compose, mix)
    expected = undisturbed(stage_of(compose, mix))
    stage.config.trainer.checkpoint_steps = 1
    kill(stage, tmp_path, monkeypatch, 7)
    stage.config.encoder.gradient_checkpointing = True
    assert_same(train(stage, tmp_path), expected)


def test_a_stage_with_optimizer_states_in_8_bits_too(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes", reason="needs bitsandbytes, which prints as it is imported")
    monkeypatch.setitem(MIXES, "8bit", ("optim=adamw_8bit",))
    stage = stage_of(compose, "8bit")
    assert stage.config.optim.optimizer == {"_target_": "bitsandbytes.optim.AdamW8bit"}
    assert_goes_on(stage, tmp_path, monkeypatch, step=7)


@pytest.mark.parametrize("error", INTERRUPTS)
@pytest.mark.parametrize("hook", ["training_step", "on_train_batch_start"])
def test_an_interrupt_leaves_a_checkpoint_to_go_on_from(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    error: type[BaseException] | signal.Signals,
    hook: str,
) -> None:
    stage = stage_of(compose, "heterogeneous")
    expected = undisturbed(stage)
    folder = tmp_path / "stage"
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, error, hook, MultiTaskModule)
        with pytest.raises(SystemExit):  # Lightning makes one of Ctrl-C
            train(stage, folder)
    # Lightning answers SIGTERM when the step is over.
    assert steps_in(folder) == (8 if error is signal.SIGTERM else 7)
    assert_same(train(stage, folder), expected)


def test_an_interrupt_while_weights_change_leaves_the_checkpoint_before(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
) -> None:
    stage = stage_of(compose, "heterogeneous")
    expected = undisturbed(stage)
    stage.config.trainer.checkpoint_steps = 4
    with monkeypatch.context() as patch:
        cut_off_at(patch, 6, SystemExit, "on_before_optimizer_step", MultiTaskModule)
        with pytest.raises(SystemExit):
            train(stage, tmp_path / "stage")
    assert torch.load(tmp_path / "stage" / CHECKPOINT, weights_only=True)["global_step"] == 4
    assert_same(train(stage, tmp_path / "stage"), expected)


def test_a_failure_leaves_nothing_of_its_own(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off_at(monkeypatch, 6, KilledError, "training_step", MultiTaskModule)
    with pytest.raises(KilledError):
        train(stage_of(compose, "heterogeneous"), tmp_path / "stage")
    assert not (tmp_path / "stage" / CHECKPOINT).exists()


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
@pytest.mark.parametrize("what", [CHECKPOINT, "best/*/model.safetensors"])
def test_a_damaged_checkpoint_is_set_aside_and_the_stage_begins_anew(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    what: str,
) -> None:
    stage = stage_of(compose, "heterogeneous")
    expected = undisturbed(stage)
    folder = tmp_path / "store" / ".work" / "stage"
    folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, SystemExit, "training_step", MultiTaskModule)
        with pytest.raises(SystemExit):
            train(stage, folder)
    damage(next(folder.glob(what)))
    gone = not (folder / CHECKPOINT).exists()
    assert_same(train(stage, folder), expected)
    kept = [file.name.partition("-")[0] for file in tmp_path.glob("store/.damaged/*")]
    assert kept == ([] if gone else [CHECKPOINT])
    assert ("is damaged" in caplog.text) != gone
    assert not list(folder.glob("last.*"))


def test_minutes_between_checkpoints(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(compose, "heterogeneous")
    written: list[int] = []
    original = LastCheckpoint.write

    def write(self: LastCheckpoint, trainer: Any) -> None:
        written.append(trainer.global_step)
        original(self, trainer)

    monkeypatch.setattr(LastCheckpoint, "write", write)
    clock: Iterator[int] = iter(range(0, 10**6, 20))  # 20 seconds between any two looks
    monkeypatch.setattr("tlbench.training.last_checkpoint.time.monotonic", lambda: next(clock))
    stage.config.trainer.checkpoint_minutes = 1
    train(stage, tmp_path / "stage")
    assert len(written) > 4
    assert all(later - earlier >= 2 for earlier, later in pairwise(written))
    shutil.rmtree(tmp_path / "stage")
