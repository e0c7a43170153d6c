"""The environment of the tests, and the fixtures that many of them use."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: its threads only fight over 2 cores
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import hypothesis
import numpy as np
import pytest
from omegaconf import DictConfig

from tests.support.composing import compose_config
from tests.support.experiments import Compose, Run, Trained
from tests.support.forked import Forks
from tests.support.slurm import slurm
from tests.support.sweeps import launcher, make_sweeper, sweep
from tests.support.tables import table
from tlbench.jobs.job import run_experiment
from tlbench.records.record import ResultRecord, read_record

__all__ = [
    "launcher",
    "make_sweeper",
    "slurm",
    "sweep",
    "table",
]  # fixtures, which pytest finds here

hypothesis.settings.register_profile(
    "tlbench", deadline=None
)  # how long a test takes proves nothing
hypothesis.settings.load_profile("tlbench")
datasets.disable_progress_bars()
for _name in {name for name in os.environ if name.startswith("WANDB_")} - {"WANDB_MODE"}:
    del os.environ[_name]  # whoever runs the tests may have a project, or a login


_BEGUN: dict[tuple[str, str], Any] = {}  # the states that modules have left their generators in


@pytest.fixture(autouse=True)
def same_random_numbers(request: pytest.FixtureRequest) -> None:
    """Start a module's generator anew, so that no test hangs on which others ran before it."""
    for name, value in vars(request.module).items():
        if isinstance(value, np.random.Generator):
            key = request.module.__name__, name
            value.bit_generator.state = _BEGUN.setdefault(key, value.bit_generator.state)


@pytest.fixture
def compose(tmp_path: Path, cache: Path) -> Compose:
    """Compose a config that trains for four steps on little data, in folders of this test."""

    def make(*overrides: str) -> DictConfig:
        places = [f"store_dir={tmp_path / 'store'}", f"cache_dir={cache}"]
        return compose_config("debug=fast", *places, *overrides)

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows and tokens, made once for all tests: xdist's processes share them, as jobs do."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def run(compose: Compose, tmp_path: Path) -> Run:
    """Run an experiment in this process; its record as read from disk."""

    def go(*overrides: str, in_sweep: bool = False) -> ResultRecord:
        folder = tmp_path / "job"
        run_experiment(compose(*overrides), folder, in_sweep)
        return read_record(folder / "result.json")

    return go


@pytest.fixture(scope="session")
def rte_model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder with ``job``, of a single run of rte, its ``store``, and the exported ``model``."""
    from tlbench.export.chosen import of_record
    from tlbench.export.export import export

    folder = tmp_path_factory.mktemp("rte")
    places = (f"store_dir={folder / 'store'}", f"cache_dir={cache}")
    config = compose_config("debug=fast", *places, "target_task=rte")
    run_experiment(config, folder / "job", in_sweep=False)
    export(of_record(folder / "job"), folder / "model")
    return folder


@pytest.fixture
def command(tmp_path: Path, forks: Forks) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m tlbench`` (or another module) in an empty folder, as a user would."""

    def go(*arguments: str, module: str = "tlbench") -> subprocess.CompletedProcess[str]:
        return forks.run(module, arguments, tmp_path)

    return go


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    forks = Forks()
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def glue_dir() -> Path:
    """The real GLUE files; see the README for where they come from."""
    default = Path(__file__).parents[2] / "shared" / "glue"
    folder = Path(os.environ.get("TLBENCH_GLUE_DIR", default)).resolve()
    if not (folder / "RTE" / "train.tsv").is_file():
        pytest.skip(f"no GLUE files in {folder}: set TLBENCH_GLUE_DIR")
    return folder


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> "Trained":
    """Watches what is trained, and makes it fail where asked."""
    watch = Trained()
    monkeypatch.setattr("tlbench.training.train.train_stage", watch)
    return watch
