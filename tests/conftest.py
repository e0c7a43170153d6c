"""What the tests share: composed configs, small experiments, the folder of real GLUE files."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: its threads only fight over 2 cores
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from tlbench.config_files import CONF_DIR
from tlbench.execution import StageRun
from tlbench.job import run_experiment
from tlbench.results import ResultRecord, read
from tlbench.stage import Stage
from tlbench.training import train_stage
from tlbench.weights import kept

datasets.disable_progress_bars()

Compose = Callable[..., DictConfig]
Run = Callable[..., ResultRecord]


def compose_config(*overrides: str) -> DictConfig:
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return hydra.compose("config", overrides=list(overrides))


def leaves(cfg: DictConfig, prefix: str = "") -> list[str]:
    """The dotted keys of all values."""
    found = []
    for key in cfg:
        node = OmegaConf.select(cfg, str(key)) if not OmegaConf.is_missing(cfg, key) else None
        name = f"{prefix}{key}"
        found += leaves(node, f"{name}.") if isinstance(node, DictConfig) and node else [name]
    return found


def stage_run(stage: Stage, folder: Path, **more: Any) -> StageRun:
    """What the training of a stage is given, where it is the only one of its plan."""
    weights_of = kept(stage.graph(), stage)[stage.key]
    return StageRun(stage, "target", folder, weights_of=weights_of, **more)


def write_users_task(folder: Path, score: str) -> None:
    """A task of the user's, ``mine``, in the config folder ``my_conf``, with its rows."""
    configs = folder / "my_conf" / "target_task"
    configs.mkdir(parents=True)
    (configs / "mine.yaml").write_text(
        f"name: mine\nlabels: [bad, good]\nscore: [{score}]\nmetrics: [macro_f1, accuracy]\n"
        "source: {format: jsonl, path: data, text: [text], label: verdict}\n"
    )
    (folder / "data").mkdir()
    rows = [{"text": f"film {i}", "verdict": ("bad", "good")[i % 2]} for i in range(20)]
    for split in ("train", "dev"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / f"{split}.jsonl").write_text(lines)


@pytest.fixture
def compose(tmp_path: Path, cache: Path) -> Compose:
    """Compose a config that trains for four steps on little data, in folders of this test."""

    def make(*overrides: str) -> DictConfig:
        places = [f"store_dir={tmp_path / 'store'}", f"cache_dir={cache}"]
        return compose_config("debug=fast", *places, *overrides)

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows and tokens, made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(compose: Compose, tmp_path: Path) -> Run:
    """Run an experiment in this process; its record as read from disk."""

    def go(*overrides: str, in_sweep: bool = False) -> ResultRecord:
        folder = tmp_path / "job"
        run_experiment(compose(*overrides), folder, in_sweep)
        return read(folder / "result.json")

    return go


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``python -m tlbench`` (or another module) in an empty folder, as a user would."""

    def go(*arguments: str, module: str = "tlbench") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return go


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
    monkeypatch.setattr("tlbench.training.train_stage", watch)
    return watch


class Trained:
    """Stands for ``train_stage``.

    Attributes:
        titles, roles: of the stages that were trained, in order.
        starts: by key, the folder of the weights that each started from, if any.
        errors: what to raise instead of training, by title.
    """

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.roles: list[str] = []
        self.starts: dict[str, Path | None] = {}
        self.errors: dict[str, BaseException] = {}

    def __call__(self, run: StageRun, *arguments: Any) -> Any:
        if error := self.errors.get(run.stage.title):
            raise error
        self.titles.append(run.stage.title)
        self.roles.append(run.role)
        self.starts[run.stage.key] = run.start
        return train_stage(run, *arguments)
