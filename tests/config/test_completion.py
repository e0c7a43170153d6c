"""What Hydra is told of a line that is completed."""

import os
from pathlib import Path

import pytest

from tlbench.config import search_path
from tlbench.config.arguments import arguments_for_hydra
from tlbench.config.overrides import options
from tlbench.config.search_path import CONF_DIR
from tlbench.errors import UserError

QUERY = ["-sc", "query=bash"]


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my conf" / "target_task"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("name: mine\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR])
    return folder.parent


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("tlbench --config-dir 'my conf' target_task=m", "tlbench target_task=m"),
        (r"tlbench -cd ~/my\ conf -m seed=1 ", "tlbench --multirun seed=1 "),
        ("tlbench --config-di='my conf' 'tags=[a, b]' t", "tlbench t"),
    ],
)
def test_options_of_the_line_are_those_of_the_request(
    typed: str, left: str, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", typed)
    asked = arguments_for_hydra(QUERY)
    assert f"--config-dir={mine}" in asked
    assert asked[-1] == "query=bash"
    assert os.environ["COMP_LINE"] == left
    assert "mine" in options("support_task")


@pytest.mark.parametrize("typed", ["tlbench --config-dir ", "tlbench 'target", "tlbench seed = t"])
def test_a_line_that_can_not_be_read_has_no_completion(
    typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_LINE", typed)
    with pytest.raises(SystemExit) as ended:
        arguments_for_hydra(QUERY)
    assert ended.value.code == 0


def test_installing_takes_no_overrides() -> None:
    assert arguments_for_hydra(["-sc", "install=bash"]) == ["--shell-completion", "install=bash"]


@pytest.mark.parametrize("words", [[], ["install=ksh"], ["seed=1"], ["install=bash", "seed=1"]])
def test_anything_else_is_refused(words: list[str]) -> None:
    with pytest.raises(UserError, match=r"^Change what follows --shell-completion: install or un"):
        arguments_for_hydra(["--shell-completion", *words])
