"""A training step of tlbench's own is what is measured, on what is made here."""

import tempfile
from itertools import count
from pathlib import Path

import pytest

from tlbench.config.schema import Config
from tlbench.doctor import measure
from tlbench.doctor.defaults import default_config
from tlbench.doctor.measure import ON_CPU, Shape, step_seconds
from tlbench.models.encoder import load_encoder
from tlbench.training.module import MultiTaskModule

SMALL = Shape(1, 64, 400, rows=4, tokens=16, warmup=1, steps=2, rounds=2)
BOTH = ("32-true", "bf16-mixed")


@pytest.fixture
def config() -> Config:
    return default_config("encoder=tiny", "logger=none", "trainer.accelerator=cpu")


class Trained:
    """Stands for a round; what was trained, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.precisions: list[str] = []
        monkeypatch.setattr(measure, "_round", self)

    def __call__(self, config: Config, *_: object) -> float:
        self.precisions.append(config.trainer.precision)
        return 1.0


def test_steps_of_training_are_timed_after_the_warm_up(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    step = MultiTaskModule.training_step

    def watched(self: MultiTaskModule, *arguments: object) -> None:
        steps.append(str(self.trainer.precision))
        step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(MultiTaskModule, "training_step", watched)
    ticks = count()
    found = step_seconds(config, BOTH, SMALL, lambda: float(next(ticks)))
    # The clock is read at the end of the warm-up and of the last step, one second later.
    assert found == {"32-true": [0.5, 0.5], "bf16-mixed": [0.5, 0.5]}
    first, second = ["32-true"] * 3, ["bf16-mixed"] * 3
    assert steps == [*first, *second, *second, *first]


def test_the_precisions_take_turns_in_both_orders(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(monkeypatch)
    step_seconds(config, BOTH, SMALL._replace(rounds=3), lambda: 0.0)
    a, b = BOTH
    assert trained.precisions == [a, b, b, a, a, b]


def test_a_slow_machine_has_fewer_rounds(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Trained(monkeypatch)
    hours = count(0, 3600)
    found = step_seconds(config, BOTH, ON_CPU, lambda: float(next(hours)))
    assert [len(rounds) for rounds in found.values()] == [measure.FEWEST] * 2
    assert len(trained.precisions) == 2 * measure.FEWEST < 2 * ON_CPU.rounds


def test_the_encoder_has_the_shape_and_its_files_are_removed(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sizes = []

    def measured(config: Config, *_: object) -> float:
        made = load_encoder(config.encoder)
        layers = made.get_submodule("encoder.layer")
        sizes.append((len(layers), made.config.hidden_size, made.config.vocab_size))  # type: ignore[arg-type]
        assert list(tmp_path.iterdir())
        return 1.0

    monkeypatch.setattr(measure, "_round", measured)
    step_seconds(config, BOTH[:1], SMALL._replace(rounds=1))
    assert sizes == [(1, 64, 400)]
    assert list(tmp_path.iterdir()) == []
