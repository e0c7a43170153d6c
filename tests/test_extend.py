"""The examples of docs/extend, as a package of a user's outside of the repository."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.forked import Forks
from tlbench.records.record import ResultRecord, read_record
from tlbench.store.store import Store

EXAMPLES = Path(__file__).parents[1] / "docs" / "extend"
CODE = [file for file in sorted(EXAMPLES.rglob("*.*")) if file.suffix in (".py", ".yaml")]
README = (EXAMPLES / "README.md").read_text()
# What is typed, by the first cell of its row; and the lines of the last block.
TYPED = dict(re.findall(r"^\| ([a-z ]+) \|.*`(tlbench [^`]*)` \|$", README, flags=re.MULTILINE))
BLOCK = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)[-1]
LINES = BLOCK.replace("\\\n", " ").splitlines()
MODULES = {"tlbench": "tlbench", "tlbench-report": "tlbench.cli.report"}
Type = Callable[..., list[ResultRecord]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forks: Forks, cache: Path) -> Type:
    """Run a line of the README beside a copy of the examples; the records of all lines so far."""
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> list[ResultRecord]:
        program, *words = shlex.split(line)
        if program == "tlbench":
            words.append(f"cache_dir={cache}")
        done = forks.run(MODULES[program], tuple(words), tmp_path, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return [read_record(file) for file in sorted(Path("multirun").glob("*/*/result.json"))]

    return run


@pytest.mark.parametrize("file", CODE, ids=lambda file: file.name)
def test_an_example_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 25


def test_every_kind_of_example_has_a_command_of_seconds() -> None:
    kinds = {"strategy", "task kind", "method", "gradient rule", "merge rule", "logger", "launcher"}
    assert set(TYPED) == kinds
    trained = [*TYPED.values(), *(line for line in LINES if line.startswith("tlbench "))]
    assert len(trained) == 8
    assert all("debug=fast" in shlex.split(line) for line in trained)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (EXAMPLES / link).exists()


@pytest.mark.slow
def test_a_strategy_of_three_stages(typed: Type) -> None:
    (record,) = typed(TYPED["strategy"])
    assert [stage["title"] for stage in record.stages] == ["cola", "mnli<-cola", "rte<-mnli<-cola"]
    assert record.support_tasks == ["cola", "mnli"]
    store = Store(record.config["store_dir"])
    manifests = [store.find(key) for key in record.stage_keys]
    rates = [found["fingerprint"]["config"]["optim.lr"] for found in manifests if found is not None]
    assert rates[0] == rates[1] == 2 * rates[2]


@pytest.mark.slow
def test_a_task_kind(typed: Type) -> None:
    (record,) = typed(TYPED["task kind"])
    assert set(record.metrics) == {"exact", "spearman"}
    assert record.score is not None
    assert 0 <= record.score <= 1


@pytest.mark.slow
def test_a_method(typed: Type) -> None:
    (record,) = typed(TYPED["method"])
    assert record.config["method"]["weights"] == {"mnli": 0.5}
    assert record.status == "done"


@pytest.mark.slow
def test_a_gradient_rule(typed: Type) -> None:
    (record,) = typed(TYPED["gradient rule"])
    assert record.config["method"]["rule"] == {"_target_": "mine.rules.Shorter", "power": 0.5}
    assert record.status == "done"
    assert record.stages[-1]["cosines"][0].keys() == {"mnli+rte"}


@pytest.mark.slow
def test_a_merge_rule(typed: Type) -> None:
    (record,) = typed(TYPED["merge rule"])
    assert (record.config["merging"]["name"], record.status) == ("slerp", "done")
    assert record.stages[-1]["title"] == "slerp(rte+mnli)"


@pytest.mark.slow
def test_a_logger(typed: Type) -> None:
    (record,) = typed(TYPED["logger"])
    (file,) = Path("multirun").glob("*/*/metrics.jsonl")
    lines = [json.loads(line) for line in file.open()]
    assert lines[-1]["score"] == pytest.approx(record.score)
    assert any("target/rte/dev/accuracy" in line for line in lines)


@pytest.mark.slow
def test_a_launcher(typed: Type) -> None:
    assert [record.seed for record in typed(TYPED["launcher"])] == [0, 1]


@pytest.mark.slow
def test_a_sweep_and_a_report_take_them_all(typed: Type) -> None:
    sweep, report = LINES
    records = typed(sweep)
    assert {record.target_task for record in records} == {"grades", "rte"}
    assert {record.status for record in records} == {"done"}
    of_mtl = {r.config["method"]["name"] for r in records if r.strategy == "mtl"}
    assert of_mtl == {"sum", "weighted"}
    # What a method has no effect on is run once.
    assert len(records) == 2 * 2 * 4
    typed(report)
    page = Path("report/index.html").read_text()
    assert "gentle chain" in page
    assert "weighted" in page
