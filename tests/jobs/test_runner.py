import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_integrity import DAMAGES, flip
from tests.support.experiments import Run
from tlbench.records.record import read_record
from tlbench.store.store import CHECKPOINT, Store
from tlbench.training.context import StageContext
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import train_stage

DYNAMIC = ("strategy=mtl", "support_task=mnli", "sampling=dynamic", "sampling.mode=gap")


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[StageContext]:
    """The stages that were trained, in order."""
    runs = []

    def watched(run: StageContext, *arguments: Any) -> Any:
        runs.append(run)
        return train_stage(run, *arguments)

    monkeypatch.setattr("tlbench.training.train.train_stage", watched)
    return runs


def test_dynamic_sampling_trains_every_task_alone_first(
    run: Run, trained: list[StageContext]
) -> None:
    record = run(*DYNAMIC)
    assert [r.stage.title for r in trained] == ["mnli", "rte", "mnli+rte"]
    assert [r.role for r in trained] == ["single/mnli", "single/rte", "target"]
    assert record.steps == 3 * 4
    assert record.instances == 3 * 4 * 16
    assert record.steps_reused == 0
    assert set(record.train_rows) == {"mnli", "rte"}


def test_dynamic_sampling_compares_with_the_scores_alone(
    run: Run, trained: list[StageContext]
) -> None:
    alone = {task: run(f"target_task={task}").score for task in ("rte", "mnli")}
    record = run(*DYNAMIC)
    (joint,) = (r for r in trained if r.stage.title == "mnli+rte")
    assert joint.single_task_scores == alone
    assert record.steps_reused == 2 * 4


def test_the_shares_of_every_epoch_are_kept(run: Run, tmp_path: Path) -> None:
    record = run(*DYNAMIC, "trainer.max_steps=null", "trainer.max_epochs=2")
    found = Store(tmp_path / "store").find(record.stage_keys[-1])
    assert found is not None
    assert found["shares"][0] == [0.5, 0.5]
    assert sum(found["shares"][1]) == pytest.approx(1)
    assert len(found["shares"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
@pytest.mark.parametrize("name", ["model.safetensors", "heads.safetensors"])
def test_a_stage_starts_from_no_damaged_weights(
    run: Run, trained: list[StageContext], tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    store = Store(tmp_path / "store")
    (first,) = run("target_task=mnli").stage_keys
    sound = store.find(first)
    damage(store.weights(first, "mnli") / name)
    chain = run("strategy=stilts", "support_task=mnli")
    assert [r.stage.title for r in trained] == ["mnli", "mnli", "rte<-mnli"]
    assert sound is not None
    assert store.find(first)["files"] == sound["files"]  # type: ignore[index]
    assert [store.damage(key) for key in chain.stage_keys] == [[], []]
    assert [kept.name[:16] for kept in (store.root / ".damaged").iterdir()] == [first]


def test_a_damaged_manifest_costs_its_stage_alone(
    run: Run, trained: list[StageContext], tmp_path: Path
) -> None:
    first, second = run("strategy=stilts", "support_task=mnli").stage_keys
    store = Store(tmp_path / "store")
    written = (store.folder(first) / "stage.json").stat().st_mtime_ns
    flip(store.folder(second) / "stage.json")
    run("strategy=stilts", "support_task=mnli")
    assert [r.stage.title for r in trained] == ["mnli", "rte<-mnli", "rte<-mnli"]
    assert (store.folder(first) / "stage.json").stat().st_mtime_ns == written


def test_an_interrupted_job_goes_on_where_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(self: MultiTaskModule, batch: Any, batch_idx: int) -> None:
        if self.global_step == 3:
            raise SystemExit
        original(self, batch, batch_idx)

    original = MultiTaskModule.training_step
    with monkeypatch.context() as patch:
        patch.setattr(MultiTaskModule, "training_step", interrupted)
        with pytest.raises(SystemExit):
            run()
    store = Store(tmp_path / "store")
    assert [file.name for file in store.work.glob("*/*.ckpt")] == [CHECKPOINT]
    with caplog.at_level(logging.INFO):
        record = run()
    assert "going on from step 3" in caplog.text
    assert record.steps == 4
    assert list(store.work.iterdir()) == []
    assert not list(store.folder(record.stage_keys[-1]).rglob("*.ckpt"))


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tlbench",
        "debug=fast",
        "trainer.max_steps=200",
        "trainer.max_epochs=50",
        "eval_every=5",
    ]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "step 20/" in line:
            running.send_signal(signal.SIGTERM)
            break
    running.stderr.read()
    assert running.wait(timeout=60) == 143
    assert not list(tmp_path.rglob("result.json"))
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "going on from step " in again.stderr
    assert "step 20/" not in again.stderr
    (record,) = tmp_path.rglob("result.json")
    assert read_record(record).steps == 200
