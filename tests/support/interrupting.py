"""Stages that are interrupted or killed at a given moment, and compared with undisturbed ones."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tests.support.experiments import Compose, stage_run
from tlbench.plan.build import build
from tlbench.plan.stage import Stage
from tlbench.store.store import CHECKPOINT
from tlbench.training.context import Needed
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
    "gradients": ("method=pcgrad", "perturb=sam", "perturb.per_task=true"),
    "losses": ("method=uncertainty", "optim.l2_sp=0.1"),
    "epochs": ("method=dwa",),
    "domains": ("adversary=dann",),
    "related labels": ("match=distribution",),
    "workers": ("num_workers=1", "sampling=dynamic"),
}
INTERRUPTS = (SystemExit, KeyboardInterrupt, signal.SIGTERM)


class KilledError(Exception):
    """Stands for what leaves no time to save anything."""


@dataclass
class Result:
    manifest: dict[str, Any]
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
    manifest = train_stage(stage_run(stage, folder, needed=needed), None)
    files = sorted(folder.rglob("*.safetensors"))
    tables = sorted(folder.rglob("*.parquet"))
    assert len(files) == 2 * len(manifest["tasks"])
    assert len(tables) == len(manifest["tasks"])
    del manifest["seconds"]
    return Result(
        manifest,
        {f"{file.parent.name} {k}": v for file in files for k, v in load_file(file).items()},
        {file.name: pq.read_table(file).to_pydict() for file in tables},
    )


def assert_same(result: Result, expected: Result) -> None:
    assert result.manifest == expected.manifest
    assert result.predictions == expected.predictions
    assert result.weights.keys() == expected.weights.keys()
    for name, value in result.weights.items():
        assert torch.equal(value, expected.weights[name]), name


def assert_goes_on(
    stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int = 5
) -> None:
    """Kill a stage that has a checkpoint of every step: the same again ends as if it had not been.

    Args:
        folder: of two, one for a training that is not killed.
        step: after which it is.
    """
    expected = train(stage, folder / "whole")
    stage.config.trainer.checkpoint_steps = 1
    kill(stage, folder / "cut", monkeypatch, step)
    assert_same(train(stage, folder / "cut"), expected)


def kill(stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Kill the training of a stage before the step after ``step`` others; it has a checkpoint."""
    with monkeypatch.context() as patch:
        cut_off_at(patch, step, KilledError, "on_train_batch_start", MultiTaskModule)
        with pytest.raises(KilledError):
            train(stage, folder)
    assert (folder / CHECKPOINT).exists()


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


def steps_in(folder: Path) -> int:
    steps: int = torch.load(folder / CHECKPOINT, weights_only=True)["global_step"]
    return steps
