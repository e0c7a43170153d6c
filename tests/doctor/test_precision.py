"""What is said of two precisions, and of tlbench's own choice."""

import pytest

from tests.doctor.machines import Gpus, only
from tlbench.config.overrides import default_choices
from tlbench.config.schema import Config
from tlbench.doctor import precision
from tlbench.doctor.defaults import default_config, precisions_of_experiments
from tlbench.doctor.finding import Finding

H200, T4 = ("NVIDIA H200", 140, (9, 0)), ("Tesla T4", 15, (7, 5))


def compared(plain: list[float], other: list[float], default: str = "32-true") -> Finding:
    return precision.compared({"32-true": plain, "bf16-mixed": other}, default)


def test_one_that_is_faster_than_the_default_is_to_be_set() -> None:
    found = compared([2.0, 2.2, 2.0], [1.0, 1.21, 1.02])
    assert found.level == "note"
    assert found.found == (
        "a step of bf16-mixed takes 0.51 of the time of 32-true (0.50 to 0.55 in 3 rounds; 2000 "
        "and 1020 ms for 32-true and bf16-mixed); the default is 32-true"
    )
    assert found.advice == (
        "Set trainer.precision=bf16-mixed before a study begins: stages of another precision are "
        "trained anew."
    )


def test_one_that_is_slower_leaves_the_default() -> None:
    found = compared([1.0, 1.0, 1.0], [3.0, 3.1, 2.9])
    assert (found.level, found.advice) == ("ok", "")
    assert found.found.endswith("the default, 32-true, is the fastest")


def test_another_default_that_is_slower_is_to_be_changed() -> None:
    found = compared([1.0, 1.0, 1.0], [3.0, 3.1, 2.9], default="bf16-mixed")
    assert found.level == "note"
    assert found.advice.startswith("Set trainer.precision=32-true ")


@pytest.mark.parametrize("other", [0.96, 1.04])
def test_within_five_percent_they_are_alike(other: float) -> None:
    found = compared([1.0, 1.0, 1.0], [other, 0.8, 1.2])
    assert (found.level, found.advice) == ("ok", "")
    assert found.found.endswith("they are alike; the default is 32-true")


def test_rounds_that_do_not_agree_decide_nothing() -> None:
    found = compared([1.0, 1.0, 1.0], [0.7, 0.8, 1.2])
    assert found.level == "note"
    assert "the rounds do not agree" in found.found
    assert "trainer.precision" not in found.advice


def test_the_precisions_between_which_there_is_a_choice(gpus: Gpus) -> None:
    gpus()
    assert precision.candidates() == ("32-true", "bf16-mixed")
    gpus(H200)
    assert precision.candidates() == ("32-true", "bf16-mixed")
    gpus(H200, T4)
    assert precision.candidates() == ("32-true", "16-mixed")


@pytest.mark.parametrize(
    ("gpu", "accelerator", "other"),
    [
        (None, "cpu", "bf16-mixed"),
        (T4, "cuda", "16-mixed"),
        (H200, "cuda", "bf16-mixed"),
    ],
)
def test_it_is_measured_on_what_stages_are_trained_on(
    gpus: Gpus,
    gpu: tuple[str, int, tuple[int, int]] | None,
    accelerator: str,
    other: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(*([gpu] if gpu else []))
    asked: list[str] = []

    def measured(config: Config, precisions: tuple[str, str]) -> dict[str, list[float]]:
        asked.append(config.trainer.accelerator)
        return {precisions[0]: [2.0], precisions[1]: [1.0]}

    monkeypatch.setattr(precision, "step_seconds", measured)
    assert f"Set trainer.precision={other} " in only(precision.precision()).advice
    assert asked == [accelerator]


def test_a_step_that_fails_is_a_problem(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(("Old GPU", 2, (3, 5)))

    def fails(*_: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available.\nCompile with ...")

    monkeypatch.setattr(precision, "step_seconds", fails)
    found = only(precision.precision())
    assert found.level == "problem"
    assert found.found.endswith("fails on the CUDA: CUDA error: no kernel image is available")
    assert "trainer.accelerator=cuda" in found.advice


def test_precisions_that_experiments_have_of_their_own_are_named() -> None:
    found = only(precision.own_precisions()).found
    assert found.startswith("32-true by default; bf16-mixed in glue_cpu, ")
    assert "; 16-mixed in paper, paper_grid, " in found


def test_what_is_said_of_experiments_is_what_they_compose_to() -> None:
    named = [
        (name, experiment)
        for name, experiments in precisions_of_experiments().items()
        for experiment in experiments
    ]
    assert {"glue_cpu_sizes", "paper_mtl_all"} <= {experiment for _, experiment in named}
    for name, experiment in named:
        more = ("suite.root=/data",) if "glue" in experiment else ()
        config = default_config(f"experiment={experiment}", *more)
        assert config.trainer.precision == name, experiment


def test_the_default_encoder_is_that_of_the_config() -> None:
    named = default_config(f"encoder={default_choices()['encoder']}", "logger=none").encoder.name
    assert named == default_config("logger=none").encoder.name
