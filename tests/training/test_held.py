from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import Compose, stage_run
from tlbench.plan.build import build
from tlbench.store.claims import Claim, ClaimLostError
from tlbench.training.context import StageContext
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import train_stage


def start(compose: Compose, folder: Path, *overrides: str) -> StageContext:
    """A stage whose claim is lost from the beginning."""
    (stage,) = build(compose(*overrides)).plan()
    lost = Claim(folder / "no.claim", "token", "stage")
    return stage_run(stage, folder / "work", claim=lost)


def train(run: StageContext) -> dict[str, Any]:
    return train_stage(run, None)


@pytest.mark.slow
def test_a_training_without_its_claim_ends_and_makes_no_folder_anew(
    compose: Compose, tmp_path: Path
) -> None:
    """Whoever has taken over the stage has renamed the folder."""
    run = start(compose, tmp_path, "keep_weights=all")
    with pytest.raises(ClaimLostError):
        train(run)
    assert list(tmp_path.iterdir()) == []


def test_it_ends_before_a_checkpoint(compose: Compose, tmp_path: Path) -> None:
    run = start(compose, tmp_path, "trainer.checkpoint_steps=1")
    run.folder.mkdir()
    with pytest.raises(ClaimLostError):
        train(run)
    assert list(run.folder.iterdir()) == []


def test_it_ends_in_the_middle_of_a_long_epoch(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks every few seconds, here of no length."""
    steps = []

    def step(self: MultiTaskModule, *arguments: Any) -> Any:
        steps.append(self.global_step)
        return original(self, *arguments)

    original = MultiTaskModule.training_step
    monkeypatch.setattr(MultiTaskModule, "training_step", step)
    monkeypatch.setattr("tlbench.store.claims.HEARTBEAT", 0.0)
    with pytest.raises(ClaimLostError):
        train(start(compose, tmp_path))
    assert steps == []


def test_best_weights_share_no_open_file_with_a_process_that_was_stopped(
    compose: Compose, tmp_path: Path
) -> None:
    (stage,) = build(compose("keep_weights=all")).plan()
    run = stage_run(stage, tmp_path)
    names = ("model.safetensors", "heads.safetensors", "config.json", "tokenizer.json")
    half = [tmp_path / "best" / f"rte-{step}" / name for step in range(1, 5) for name in names]
    for file in half:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    writing = [file.open("r+b") for file in half]
    train(run)
    weights = [file for file in tmp_path.glob("weights/rte/*") if file.name in names]
    sound = [file.read_bytes() for file in weights]
    for opened in writing:
        opened.write(b"the loser's")
        opened.close()
    assert len(weights) == len(names)
    assert [file.read_bytes() for file in weights] == sound
