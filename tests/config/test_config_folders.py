"""The config folders that a command line names, by options and by ``hydra.searchpath``."""

import sys
from pathlib import Path

import pytest

from tlbench.config import search_path
from tlbench.config.command_line import parse
from tlbench.config.config_folders import with_config_folders
from tlbench.config.overrides import options
from tlbench.config.search_path import CONF_DIR, config_dirs, folder_of
from tlbench.errors import UserError


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder ``my conf`` with the task ``mine``, in the working folder, which is the home."""
    folder = tmp_path / "my conf" / "target_task"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("name: mine\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR])
    return folder.parent


@pytest.mark.parametrize(
    "words",
    [
        ["--config-dir", "my conf"],
        ["--config-dir=~/my conf"],
        ["-cd=my conf"],
        ["hydra.searchpath=['my conf']"],
        ["hydra.searchpath=['file://my conf']"],
        ["+hydra.searchpath=['~/my conf']"],
        ["hydra.searchpath=['file://~/my conf']"],
    ],
)
def test_tasks_of_a_folder_can_be_chosen(mine: Path, words: list[str]) -> None:
    assert "mine" not in options("target_task")
    with_config_folders(parse(words))
    assert "mine" in options("target_task")
    assert "mine" in options("support_task")
    first, second = config_dirs()
    assert (first, second.resolve()) == (CONF_DIR, mine)


def test_hydra_is_given_whole_paths(mine: Path) -> None:
    line = with_config_folders(parse(["--config-dir", "my conf", "seed=1"]))
    assert line.words() == [f"--config-dir={mine}", "seed=1"]
    line = with_config_folders(parse(["seed=1", "hydra.searchpath=['~/my conf',pkg://tlbench]"]))
    assert line.words() == [f"hydra.searchpath=['{mine}','pkg://tlbench']", "seed=1"]


def test_the_primary_config_has_a_search_path_too(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", "~/my conf")
    (mine.parent / "main").mkdir()
    (mine.parent / "main" / "study.yaml").write_text("hydra: {searchpath: ['${oc.env:PLACE}']}\n")
    line = with_config_folders(parse(["--config-dir", "main", "--config-name", "study"]))
    assert "mine" in options("support_task")
    assert line.overrides == [f"hydra.searchpath=['{mine}']"]


def test_a_package_may_have_configs(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = mine.parent / "of_configs" / "conf"
    (package / "target_task").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(mine.parent))
    sys.modules.pop("of_configs", None)
    assert folder_of("pkg://of_configs.conf") == package
    assert folder_of("structured://") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config-dir", "nope"], "Change --config-dir: there is no folder nope."),
        (["--config-dir", "my conf/target_task/mine.yaml"], "Change --config-dir: there is no"),
        (["--config-path", "nope"], "Change --config-path: there is no folder nope."),
        (["--config-name", "nope"], "Change --config-name: there is no nope.yaml in "),
        (["hydra.searchpath=[nope]"], "Change hydra.searchpath: there is no folder nope."),
        (["hydra.searchpath=[pkg://no.such]"], "Change hydra.searchpath: there is no folder pkg:"),
        (["hydra.searchpath=[a],[b]"], "Change hydra.searchpath: a sweep has one, of all its"),
        (["hydra.searchpath=x"], "Write hydra.searchpath=[x]: it is a list."),
        (["hydra.searchpath=['~no-one/x']"], "Change hydra.searchpath: there is no home folder"),
        (["--config-dir=~no-one/x"], "Change --config-dir: there is no home folder '~no-one'"),
    ],
)
def test_what_is_not_there_is_named(mine: Path, words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        with_config_folders(parse(words))
    assert str(refused.value).startswith(said)
