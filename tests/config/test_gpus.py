from pathlib import Path

import hydra
import pytest

from tlbench.config import gpus
from tlbench.config.search_path import CONF_DIR


@pytest.mark.parametrize(
    ("visible", "found"), [("0,2", ["0", "2"]), (" GPU-a , GPU-b", ["GPU-a", "GPU-b"]), ("", [])]
)
def test_the_environment_says_which(visible: str, found: list[str]) -> None:
    assert gpus.available({gpus.VISIBLE: visible}) == found


def test_else_those_of_the_machine(tmp_path: Path) -> None:
    for name in ("nvidia10", "nvidia2", "nvidia0", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert gpus.available({}, tmp_path) == ["0", "2", "10"]
    assert gpus.available({}, tmp_path / "absent") == []


def test_a_process_that_is_no_worker_takes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "3,4")
    assert gpus.of_worker() == "3"
    monkeypatch.setenv(gpus.VISIBLE, "")
    assert gpus.of_worker() == ""


@pytest.mark.parametrize(
    ("there", "count", "shares"),
    [
        ("", 2, ["", ""]),
        ("0", 3, ["0", "0", "0"]),
        ("01", 3, ["0", "1", "0"]),
        ("0123", 2, ["01", "23"]),
        ("01234", 2, ["01", "23"]),
        ("012", 5, ["0", "1", "2", "0", "1"]),
    ],
)
def test_processes_beside_each_other_have_equal_shares(
    there: str, count: int, shares: list[str]
) -> None:
    assert ["".join(gpus.shared(i, count, list(there))) for i in range(count)] == shares


@pytest.mark.parametrize(("visible", "jobs"), [("0,1,2", 3), ("", 1)])
def test_by_default_a_job_on_each(monkeypatch: pytest.MonkeyPatch, visible: str, jobs: int) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs tlbench[parallel]")
    monkeypatch.setenv(gpus.VISIBLE, visible)
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = hydra.compose("config", ["hydra/launcher=gpus"], return_hydra_config=True)
    assert cfg.hydra.launcher.n_jobs == jobs
