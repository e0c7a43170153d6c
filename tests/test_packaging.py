"""What the package says of itself: its version, and the releases of others that it works with."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import tlbench

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
REQUIREMENTS = [Requirement(line) for line in (*PROJECT["dependencies"], *EXTRAS)]


def pins(file: str) -> dict[str, str]:
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    pairs = (line.split("==") for line in lines)
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"] == {"path": "tlbench/__init__.py"}
    assert not re.search("^version:", (ROOT / "CITATION.cff").read_text(), re.M)


def test_the_changelogs_newest_release_is_the_version() -> None:
    headings = re.findall("^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(tlbench.__version__)} \(\d{{4}}-\d\d-\d\d\)", headings[1])


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_compromised_releases_of_lightning_are_excluded(version: str) -> None:
    (lightning,) = [one for one in REQUIREMENTS if one.name == "pytorch-lightning"]
    assert not lightning.specifier.contains(version)
    assert lightning.specifier.contains("2.6.1")
    assert lightning.specifier.contains("2.6.4")


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-hydra-1.4.txt"])
def test_what_is_pinned_is_what_we_say_we_work_with(file: str) -> None:
    versions = pins("constraints.txt") | pins(file)
    for requirement in REQUIREMENTS:
        if requirement.name != "tlbench":
            version = versions[requirement.name.lower()]
            assert requirement.specifier.contains(version, prereleases=True), requirement


def test_the_twin_with_hashes_has_the_same_versions() -> None:
    lines = (ROOT / "constraints-hashes.txt").read_text().replace("\\\n", " ").splitlines()
    requirements = [line.split() for line in lines if not line.startswith("#")]
    versions = dict(words[0].lower().replace("_", "-").split("==") for words in requirements)
    assert versions == pins("constraints.txt")
    for _, *hashes in requirements:
        assert hashes
        assert all(re.fullmatch("--hash=sha256:[0-9a-f]{64}", word) for word in hashes)


def test_workflows_name_commits_and_versions() -> None:
    for file in (ROOT / ".github" / "workflows").glob("*.yaml"):
        text = file.read_text()
        actions = re.findall(r"uses: (.+)", text)
        assert actions
        for action in actions:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action)
        for package in re.findall(r"pip install (.+)", text):
            assert re.fullmatch(r"[\w-]+==[\d.]+", package)


def test_the_candidates_file_has_what_differs_alone() -> None:
    tested, candidate = pins("constraints.txt"), pins("constraints-hydra-1.4.txt")
    assert candidate.keys() <= tested.keys()
    assert [name for name in candidate if candidate[name] == tested[name]] == []
    assert tested["hydra-core"].startswith("1.3.")
    assert candidate["hydra-core"].startswith("1.4.")
