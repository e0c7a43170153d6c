"""A stage that is cut off at any moment ends as if it had not been."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tests.store.test_integrity import DAMAGES
from tests.support.experiments import Compose, stage_run
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.plan.stage import Stage
from tlbench.store.store import CHECKPOINT
from tlbench.training.best import BestPerTask
from tlbench.training.context import Needed
from tlbench.training.last_checkpoint import LastCheckpoint
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import train_stage

PAIR = ("strategy=mtl", "target_task=rte", "support_task=mnli")
# 7 steps an epoch and 3 epochs; evaluations in the middle and at the end of each.
SIZES = ("subsample_size.target=45", "subsample_size.support=60", "subsample_size.dev=20")
LENGTH = ("batch_size=16", "trainer.max_epochs=3", "trainer.max_steps=null", "optim.lr=1e-3")
MIXES = {
    "heterogeneous": (),
    "homogeneous": ("sampling.batches=homogeneous", "sampling=uniform"),
    "partition": ("sampling.batches=partition", "heads=per_label_count"),
    "fixed_counts": ("sampling.batches=fixed_counts", "method=mean"),
    "annealed": ("sampling=annealed",),
    "dynamic": ("sampling=dynamic", "sampling.mode=gap"),
    "workers": ("num_workers=1", "sampling=dynamic"),
}
EVERY_STEP = os.environ.get("TLBENCH_SLOW_TESTS") == "1"
STEPS = range(1, 21) if EVERY_STEP else (1, 7, 12)


class KilledError(Exception):
    """Stands for what leaves no time to save anything."""


@dataclass
class Result:
    found: dict[str, Any]
    weights: dict[str, torch.Tensor]
    predictions: dict[str, Any]


def stage_of(compose: Compose, mix: str) -> Stage:
    return build(compose(*PAIR, *SIZES, *LENGTH, "keep_weights=all", *MIXES[mix])).plan()[-1]


def train(stage: Stage, folder: Path) -> Result:
    folder.mkdir(exist_ok=True)
    scores = {"mnli": 0.9, "rte": 0.6}
    needed = tuple(
        Needed(need, {"tasks": {task: {"selected_by": scores[task]} for task in need.stage.tasks}})
        for need in stage.needs
    )
    found = train_stage(stage_run(stage, folder, needed=needed), None)
    files = sorted(folder.rglob("*.safetensors"))
    tables = sorted(folder.rglob("*.parquet"))
    assert len(files) == 4
    assert len(tables) == 2
    del found["seconds"]
    return Result(
        found,
        {f"{file.parent.name} {k}": v for file in files for k, v in load_file(file).items()},
        {file.name: pq.read_table(file).to_pydict() for file in tables},
    )


def assert_same(one: Result, other: Result) -> None:
    assert one.found == other.found
    assert one.predictions == other.predictions
    assert one.weights.keys() == other.weights.keys()
    for name, value in one.weights.items():
        assert torch.equal(value, other.weights[name]), name


def cut_off_at(
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    error: type[BaseException] | signal.Signals,
    hook: str,
    owner: type,
    call: int = 1,
) -> None:
    """Raise an error, or a signal, in a hook, at a call of it after ``step`` steps, once."""
    original = getattr(owner, hook)
    calls: list[int] = []

    def cut(self: Any, *arguments: Any) -> Any:
        trainer = self.trainer if owner is MultiTaskModule else arguments[0]
        if trainer.global_step == step:
            calls.append(step)
        if trainer.global_step == step and len(calls) == call:
            if not isinstance(error, signal.Signals):
                raise error
            os.kill(os.getpid(), error)
        return original(self, *arguments)

    monkeypatch.setattr(owner, hook, cut)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Stage], Result]:
    known: dict[str, Result] = {}

    def get(stage: Stage) -> Result:
        if stage.key not in known:
            known[stage.key] = train(stage, tmp_path_factory.mktemp(stage.key) / "whole")
        return known[stage.key]

    return get


@pytest.mark.parametrize("mix", MIXES)
def test_a_killed_stage_ends_as_if_it_had_not_been(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    mix: str,
) -> None:
    stage = stage_of(compose, mix)
    whole = undisturbed(stage)
    assert whole.found["steps"] >= 21
    stage.config.trainer.checkpoint_steps = 1
    for step in STEPS if mix != "workers" else (9,):
        with monkeypatch.context() as patch:
            cut_off_at(patch, step, KilledError, "on_train_batch_start", MultiTaskModule)
            with pytest.raises(KilledError):
                train(stage, tmp_path / str(step))
        assert (tmp_path / str(step) / CHECKPOINT).exists()
        assert_same(train(stage, tmp_path / str(step)), whole)


INTERRUPTS = (SystemExit, KeyboardInterrupt, signal.SIGTERM)


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
    whole = undisturbed(stage)
    folder = tmp_path / "stage"
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, error, hook, MultiTaskModule)
        with pytest.raises(SystemExit):  # Lightning makes one of Ctrl-C
            train(stage, folder)
    # Lightning answers SIGTERM when the step is over.
    assert steps_in(folder) == (8 if error is signal.SIGTERM else 7)
    assert_same(train(stage, folder), whole)


def steps_in(folder: Path) -> int:
    steps: int = torch.load(folder / CHECKPOINT, weights_only=True)["global_step"]
    return steps


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
def test_an_evaluation_that_is_interrupted_is_made_again(
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
    whole = undisturbed(stage)
    folder = tmp_path / "stage"
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, KeyboardInterrupt, hook, owner, call)
        with pytest.raises(SystemExit):
            train(stage, folder)
    assert steps_in(folder) == 7
    assert_same(train(stage, folder), whole)


def test_an_interrupt_while_better_weights_are_saved_keeps_those_before(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
) -> None:
    stage = stage_of(compose, "heterogeneous")
    whole = undisturbed(stage)
    task, step = max(((t, e["step"]) for t, e in whole.found["tasks"].items()), key=itemgetter(1))
    assert step > whole.found["history"][0]["step"]
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
    assert_same(train(stage, tmp_path / "stage"), whole)


@pytest.mark.parametrize("error", INTERRUPTS)
@pytest.mark.parametrize("step", [4, 21])
def test_so_is_one_in_the_middle_of_an_epoch_and_the_last_and_one_that_is_made_again(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
    step: int,
    error: type[BaseException] | signal.Signals,
) -> None:
    stage = stage_of(compose, "heterogeneous")
    whole = undisturbed(stage)
    for batch in (2, 3):
        with monkeypatch.context() as patch:
            cut_off_at(patch, step, error, "validation_step", MultiTaskModule, batch)
            with pytest.raises(SystemExit):
                train(stage, tmp_path / "stage")
        assert steps_in(tmp_path / "stage") == step
    assert_same(train(stage, tmp_path / "stage"), whole)


@pytest.mark.parametrize("owner", [BestPerTask, LastCheckpoint])
def test_an_evaluation_that_ends_the_stage_early_does_so_when_it_is_made_again(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type
) -> None:
    early = ("optim.lr=1e-12", "trainer.early_stopping=1", "keep_weights=all")
    stage = build(compose(*PAIR, *SIZES, *LENGTH, *early)).plan()[-1]
    whole = train(stage, tmp_path / "whole")
    assert [entry["step"] for entry in whole.found["history"]] == [4, 7]
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, KeyboardInterrupt, "on_validation_end", owner)
        with pytest.raises(SystemExit):
            train(stage, tmp_path / "stage")
    assert steps_in(tmp_path / "stage") == 7
    assert_same(train(stage, tmp_path / "stage"), whole)


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


def test_an_interrupt_while_weights_change_leaves_the_checkpoint_before(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[Stage], Result],
) -> None:
    stage = stage_of(compose, "heterogeneous")
    whole = undisturbed(stage)
    stage.config.trainer.checkpoint_steps = 4
    with monkeypatch.context() as patch:
        cut_off_at(patch, 6, SystemExit, "on_before_optimizer_step", MultiTaskModule)
        with pytest.raises(SystemExit):
            train(stage, tmp_path / "stage")
    assert torch.load(tmp_path / "stage" / CHECKPOINT, weights_only=True)["global_step"] == 4
    assert_same(train(stage, tmp_path / "stage"), whole)


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
    whole = undisturbed(stage)
    folder = tmp_path / "store" / ".work" / "stage"
    folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        cut_off_at(patch, 7, SystemExit, "training_step", MultiTaskModule)
        with pytest.raises(SystemExit):
            train(stage, folder)
    damage(next(folder.glob(what)))
    gone = not (folder / CHECKPOINT).exists()
    assert_same(train(stage, folder), whole)
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
