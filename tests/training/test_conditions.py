"""What a stage says of the conditions under which it was trained, and of those that changed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.experiments import Compose
from tests.support.interrupting import KilledError, cut_off_at
from tlbench.plan.build import build
from tlbench.training.conditions import using_threads
from tlbench.training.context import StageContext
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import train_stage


def train(cfg: Any, folder: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return train_stage(StageContext(build(cfg).plan()[-1], "target", folder), None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), ("cpu", 1, 1, "32-true", 16)),
        (
            ("trainer.threads=2", "trainer.precision=16-mixed", "micro_batch_size=4"),
            ("cpu", 1, 2, "bf16-mixed", 4),  # Lightning makes bf16 of 16-mixed on a CPU
        ),
        (("micro_batch_size=100",), ("cpu", 1, 1, "32-true", 16)),
    ],
)
def test_a_stage_says_what_was_in_effect(
    compose: Compose, tmp_path: Path, overrides: tuple[str, ...], expected: tuple[Any, ...]
) -> None:
    with using_threads(1):  # whatever the machine has
        manifest = train(
            compose("trainer.max_steps=1", "batch_size=16", *overrides), tmp_path / "s"
        )
        assert torch.get_num_threads() == 1  # the next stage of this process has torch's own again
    names = ("device", "devices", "threads", "precision", "micro_batch_size")
    assert tuple(manifest[name] for name in names) == expected
    assert manifest["resumed_under"] == []


def test_no_number_of_threads_leaves_torch_its_own() -> None:
    before = torch.get_num_threads()
    with using_threads(None):
        assert torch.get_num_threads() == before


CHANGES = [
    ("trainer.devices", "devices", 2, 1),
    ("trainer.threads", "threads", 1, 2),
    ("micro_batch_size", "micro_batch_size", 16, 8),
    ("micro_batch_tokens", "micro_batch_tokens", 128, 64),
]


@pytest.mark.slow
@pytest.mark.parametrize(("key", "name", "was", "now"), CHANGES)
def test_a_stage_that_goes_on_under_other_conditions_says_so(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    key: str,
    name: str,
    was: int,
    now: int,
) -> None:
    """Also if it is interrupted again, and goes on once more under the same."""
    overrides = ("batch_size=16", "trainer.checkpoint_steps=1", "trainer.threads=1")
    for step, value in ((2, was), (3, now)):
        with monkeypatch.context() as patch:
            cut_off_at(patch, step, KilledError, "on_train_batch_start", MultiTaskModule)
            with pytest.raises(KilledError):
                train(compose(*overrides, f"{key}={value}"), tmp_path / "stage")
    manifest = train(compose(*overrides, f"{key}={now}"), tmp_path / "stage")
    assert manifest["resumed_under"] == [{"step": 2, "changed": {name: [was, now]}}]
    assert manifest[name] == now
    assert caplog.text.count("going on under other conditions") == 1
    assert f"not to the same result bit for bit: {name} {was}, now {now}\n" in caplog.text
