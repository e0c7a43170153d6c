"""All looks together."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.machines import Gpus
from tlbench.doctor import precision
from tlbench.doctor.examine import examine, guarded
from tlbench.doctor.finding import Finding


def test_a_look_that_fails_is_a_problem_and_the_others_go_on() -> None:
    def fails() -> Iterator[Finding]:
        yield Finding("ok", "hub", "so far")
        raise ImportError("wandb is broken.\nReinstall it")

    before, problem = guarded("hub", fails)
    assert before.found == "so far"
    assert problem == Finding("problem", "hub", "it could not be looked at: wandb is broken")


@pytest.mark.parametrize("measure", [True, False])
def test_everything_is_looked_at_once_and_nothing_is_left(
    measure: bool, tmp_path: Path, gpus: Gpus, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"32-true": [1.0], "bf16-mixed": [1.0]}
    monkeypatch.setattr(precision, "step_seconds", lambda *_: measured)
    before = sorted(tmp_path.rglob("*"))
    found = list(examine(tmp_path / "m" / ".store", tmp_path / "m", measure))
    names = {one.what for one in found}
    assert ("precision" in names) is measure
    assert names - {"precision", "instructions", "shared memory"} == {
        *("python", "packages", "cpu", "threads", "memory", "device", "experiments", "hub"),
        *("encoders", "wandb", "slurm", "open files", "store disk", "output disk", "store"),
    }
    assert not [one for one in found if "could not be looked at" in one.found]
    assert sorted(tmp_path.rglob("*")) == before
