from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.records.test_record import record
from tlbench.records.build import write_failure
from tlbench.records.record import read_record


@pytest.mark.parametrize(
    "config",
    [
        {"seed": "x", "study": 5, "target_task": {"name": None}, "encoder": {"name": 7}},
        {"seed": "${nope}", "study": "${nope}", "strategy": {"name": ["a"], "supports": "one"}},
        {},
    ],
)
def test_the_record_of_a_config_that_can_not_be_used_reads_back(
    config: dict[str, object], tmp_path: Path
) -> None:
    write_failure(OmegaConf.create(config), "no \ud800", tmp_path)
    found = read_record(tmp_path / "result.json")
    assert (found.status, found.error, found.seed) == ("failed", "no \\ud800", 0)


@pytest.mark.parametrize("status", ["done", "diverged"])
def test_a_failure_hides_no_finished_record(status: str, tmp_path: Path) -> None:
    finished = record(status=status)
    finished.write(tmp_path)
    write_failure(OmegaConf.create({}), "no memory", tmp_path)
    assert read_record(tmp_path / "result.json") == finished
