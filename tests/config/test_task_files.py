import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError

from tests.config.test_bounds import BOMB
from tlbench.config.search_path import CONF_DIR
from tlbench.config.task_files import CheckedFiles, check_files
from tlbench.errors import UserError

TASK = "name: x\nlabels: [a, b]\nscore: [accuracy]\nmetrics: [accuracy]\n"
GLOBAL = "# @package _global_\nhydra: {callbacks: {x: {_target_: harm.Harm}}}\n"
ALONE = r"^Change .*x\.yaml: the file of a task sets keys of its task alone, and has no "


def load(folder: Path, path: str, text: str) -> None:
    file = folder / f"{path}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    CheckedFiles("test", str(folder)).load_config(path)


@pytest.mark.parametrize("group", ["target_task", "support_task", "task", "target_task/more"])
@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (GLOBAL, "'@package _global_'"),
        ("#  @package   hydra\n", "'@package hydra'"),
        ("\n# @package method\n", "'@package method'"),
        ("defaults: [override /hydra/launcher: joblib]\n", "default .*override /hydra/launcher"),
        ("defaults: [{/experiment@_global_: smoke}]\n", "default .*experiment@_global_"),
        ("defaults: [{/target_task@hydra: rte}]\n", "default .*target_task@hydra"),
        ("defaults: [../experiment/smoke]\n", "default '../experiment/smoke'"),
        ("defaults: [/experiment/smoke]\n", "default '/experiment/smoke'"),
        ("defaults: ['rte@hydra']\n", "default 'rte@hydra'"),
        ("defaults: [{more: ['${oc.env:HOME}']}]\n", "default .*oc.env:HOME"),
        ("defaults: [{more: ../x}]\n", "default .*../x"),
        ("defaults: {/method: mean}\n", "default .*/method"),
    ],
)
def test_a_tasks_file_sets_keys_of_its_task_alone(
    tmp_path: Path, group: str, begin: str, said: str
) -> None:
    with pytest.raises(UserError, match=ALONE + said):
        load(tmp_path, f"{group}/x", begin + TASK)


@pytest.mark.parametrize(
    "begin",
    [
        "",
        "# a comment with @package in it\n",
        "# @package _group_\n",
        "defaults: [rte, _self_]\n",
        "defaults: [{/target_task@_here_: rte}, optional more: null, {more: [a, b/c]}]\n",
    ],
)
def test_a_tasks_file_may_begin_with_another_task(tmp_path: Path, begin: str) -> None:
    load(tmp_path, "target_task/x", begin + TASK)


def test_other_files_set_what_they_want_within_bounds(tmp_path: Path) -> None:
    load(tmp_path, "experiment/x", GLOBAL)
    with pytest.raises(UserError, match=r"experiment/y\.yaml: .* more than 50,000 values"):
        load(tmp_path, "experiment/y", BOMB)


def test_a_file_is_read_again_if_it_has_changed_and_whoever_changes_it_alone_sees_that(
    tmp_path: Path,
) -> None:
    file, reader = tmp_path / "x.yaml", CheckedFiles("test", str(tmp_path))
    for seed in 1, 2:
        file.write_text(f"seed: {seed}\n")
        for _ in range(2):
            config = reader.load_config("x").config
            assert config == {"seed": seed}
            config.seed = 5
    with pytest.raises(UserError, match="more than 500,000 bytes"):
        load(tmp_path, "x", "# " + "x" * 500_000)
    file.unlink()
    with pytest.raises(ConfigLoadError):
        reader.load_config("x")


@pytest.fixture
def _readers_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    Plugins.instance()
    registry = SourcesRegistry.instance()
    monkeypatch.setattr(registry, "types", dict(registry.types))


@pytest.mark.usefixtures("_readers_as_they_were")
def test_hydra_composes_by_what_checks(tmp_path: Path) -> None:
    (tmp_path / "target_task").mkdir()
    (tmp_path / "target_task" / "x.yaml").write_text(GLOBAL + TASK)
    check_files()
    overrides = [f"hydra.searchpath=['file://{tmp_path}']", "target_task=x"]
    with (
        hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"),
        pytest.raises(UserError, match=r"x\.yaml: the file of a task sets keys of its task alone"),
    ):
        hydra.compose("config", overrides)


@pytest.mark.usefixtures("_readers_as_they_were")
def test_a_worker_that_registers_hydras_own_keeps_what_checks() -> None:
    check_files()
    SourcesRegistry.instance().register(FileConfigSource)
    assert SourcesRegistry.instance().resolve("file") is CheckedFiles
    assert pickle.loads(pickle.dumps(CheckedFiles)) is CheckedFiles


@pytest.mark.slow
def test_nothing_of_a_strangers_task_is_run(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "harm.py").write_text("open('harmed', 'w')\nclass Harm: ...\n")
    tasks = tmp_path / "theirs" / "target_task"
    tasks.mkdir(parents=True)
    (tasks / "x.yaml").write_text(GLOBAL + TASK)
    for mode, chosen in ([], "target_task=x"), (["-m"], "support_task=x,mnli"):
        dry = ("--config-dir", "theirs", "debug=fast", "hydra.sweeper.dry_run=true")
        done = command(*mode, *dry, "strategy=mtl", chosen)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "keys of its task alone, and has no '@package _global_'" in line
    assert not (tmp_path / "harmed").exists()
