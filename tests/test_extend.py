"""The examples of docs/extend, as a package of a user's outside of the repository."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tlbench.records.record import ResultRecord, read_record

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "docs" / "extend"
CODE = [file for file in sorted(EXAMPLES.rglob("*.*")) if file.suffix in (".py", ".yaml")]
FAST = ("debug=fast", "suite.sources.stsb.train=64", "suite.sources.stsb.dev=64")
Users = Callable[..., list[ResultRecord]]


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    """Run a command with the examples on the path; the records below ``multirun/adhoc``."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f".:{EXAMPLES.parents[1]}")

    def run(*words: str, module: str = "tlbench") -> list[ResultRecord]:
        config = ["--config-dir", "conf", *FAST] if module == "tlbench" else []
        multirun = ["-m"] if "-m" in words else []
        rest = [word for word in words if word != "-m"]
        command = [sys.executable, "-m", module, *multirun, *config, *rest]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        files = sorted(Path("multirun/adhoc").glob("*/result.json"))
        return [read_record(file) for file in files]

    return run


@pytest.mark.parametrize("file", CODE, ids=lambda file: file.name)
def test_an_example_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 25


def test_a_strategy_of_three_stages_and_a_logger(users: Users) -> None:
    (record,) = users("strategy=chain", "strategy.tasks=[mnli,cola]", "logger=[csv,jsonl]")
    assert [stage["title"] for stage in record.stages] == ["mnli", "cola<-mnli", "rte<-cola<-mnli"]
    assert record.support_tasks == ["mnli", "cola"]
    (folder,) = Path("multirun/adhoc").iterdir()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").open()]
    assert lines[-1]["score"] == pytest.approx(record.score)
    rates = [
        max(r[f"{role}/lr"] for r in lines if f"{role}/lr" in r) for role in ("support1", "target")
    ]
    assert rates[1] == rates[0] / 2
    assert (folder / "metrics.csv").exists()


def test_a_task_kind_and_a_method(users: Users) -> None:
    (record,) = users("target_task=grades", "strategy=mtl", "support_task=mnli", "method=weighted")
    assert set(record.metrics) == {"exact", "spearman"}
    assert record.score is not None
    assert 0 <= record.score <= 1
    assert record.config["method"]["weights"] == {"mnli": 0.5}


def test_a_sweep_and_a_report_take_them_all(users: Users) -> None:
    grid = ("strategy=single,chain,mtl", "method=sum,weighted", "seed=0,1,2")
    tasks = ("target_task=grades", "support_task=mnli")
    records = users("-m", *tasks, *grid, "hydra/launcher=nice", "strategy.tasks=[mnli]")
    found = {(r.strategy, r.config["method"]["name"]) for r in records}
    # What a method has no effect on is run once.
    assert len(records) == 3 * 4
    assert {("mtl", "sum"), ("mtl", "weighted")} < found
    users("multirun/adhoc", "--compare", "chain,mtl", module="tlbench.cli.report")
    page = Path("report/index.html").read_text()
    assert "Chain" in page
    assert "weighted" in page
