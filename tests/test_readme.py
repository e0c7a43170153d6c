"""Every command of the README is one that works."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.support.experiments import compose_config
from tlbench.cli import export, predict, report, rerun
from tlbench.cli.store import parser
from tlbench.config.command_line import parse
from tlbench.config.overrides import check_choices
from tlbench.config.search_path import CONF_DIR
from tlbench.config.validation import parse_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
OF_MODELS = (ROOT / "docs" / "guide" / "model.md").read_text().splitlines() + COMMANDS


def words(line: str) -> list[str]:
    return shlex.split(line, comments=True)


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("tlbench ")])
def test_an_everyday_command_composes(line: str) -> None:
    given = parse(words(line)[1:]).overrides
    check_choices(given)
    overrides = [a for a in given if "," not in a and "range" not in a]
    assert parse_config(compose_config(*overrides)).batch_size > 0


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("tlbench-store")])
def test_a_store_command_is_understood(line: str) -> None:
    assert parser().parse_args(words(line)[1:]).run


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("tlbench-report")])
def test_a_report_command_is_understood(line: str) -> None:
    assert report.parser().parse_args(words(line)[1:]).study


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("tlbench-rerun")])
def test_a_rerun_command_is_understood(line: str) -> None:
    assert rerun.parser().parse_args(words(line)[1:]).record


@pytest.mark.parametrize("line", [c for c in OF_MODELS if c.startswith("tlbench-export")])
def test_an_export_command_is_understood(line: str) -> None:
    assert export.parser().parse_args(words(line)[1:]).out


@pytest.mark.parametrize("line", [c for c in OF_MODELS if c.startswith("tlbench-predict")])
def test_a_predict_command_is_understood(line: str) -> None:
    assert predict.parser().parse_args(words(line)[1:]).file


def test_the_two_commands_use_what_is_there() -> None:
    first, second = [c for c in COMMANDS if c.startswith("python3 -m venv")]
    assert "experiment=quickstart" in first
    assert second.endswith("pytest")
    assert (ROOT / "constraints.txt").is_file()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "dev" in extras["optional-dependencies"]


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


PROMISES = README.split("## What it promises")[1].split("\n## ")[0]
NAMED = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", PROMISES)


@pytest.mark.parametrize(("test", "file"), NAMED)
def test_a_promises_test_is_there(test: str, file: str) -> None:
    assert f"\ndef {test}(" in (ROOT / file).read_text()


def test_every_promise_names_its_test() -> None:
    promises = PROMISES.split("\n- ")[1:]
    assert len(promises) > 10
    assert all("[`test_" in promise for promise in promises)


@pytest.mark.parametrize("group", ["encoder", "suite", "sampling", "logger"])
def test_every_option_is_in_the_readme(group: str) -> None:
    for file in (CONF_DIR / group).glob("*.yaml"):
        assert f"`{file.stem}" in README, f"{group}={file.stem}"


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[\[<>=]", requirement)[0].lower() for requirement in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").open()
    }
    assert names - {"tlbench"} <= pinned
