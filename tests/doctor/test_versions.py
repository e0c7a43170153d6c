"""Versions against tlbench's ranges, and against those of its tests."""

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.doctor.machines import only
from tlbench.doctor import versions

Installed = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Have tlbench ask for torch>=2.6 and more, and these versions be installed."""
    asked = ["torch>=2.6", "pytorch-lightning!=2.6.2,>=2.6", 'ruff>=0.9; extra == "dev"']

    def there(**found: str) -> None:
        by_name = {"tlbench": "0.1", "transformers": "5.1", "pytorch-lightning": "2.6.1"} | {
            name.replace("_", "-"): one for name, one in found.items()
        }

        def version(name: str) -> str:
            if by_name.get(name):
                return by_name[name]
            raise PackageNotFoundError(name)

        monkeypatch.setattr(versions, "version", version)
        monkeypatch.setattr(versions, "requires", lambda name: asked)

    return there


def test_this_python_is_one_of_tlbenchs() -> None:
    found = only(versions.python())
    assert found.level == "ok"
    assert found.found == f"{platform.python_version()}, and tlbench needs >=3.11"


def test_another_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.10.14")
    found = only(versions.python())
    assert (found.level, found.found) == ("problem", "3.10.14, but tlbench needs >=3.11")


def test_versions_in_the_ranges_are_named(installed: Installed, tmp_path: Path) -> None:
    installed(torch="2.13.0+cpu")
    found = only(versions.packages(tmp_path / "none"))
    assert found.level == "ok"
    named = "tlbench 0.1, torch 2.13.0+cpu, pytorch-lightning 2.6.1, transformers 5.1"
    assert found.found == f"{named}; all 2 are in tlbench's ranges"


def test_what_is_outside_or_missing_is_a_problem(installed: Installed, tmp_path: Path) -> None:
    installed(torch="", pytorch_lightning="2.6.2")
    torch, lightning = versions.packages(tmp_path / "none")
    assert torch.level == lightning.level == "problem"
    assert torch.found == "torch is not installed, and tlbench needs >=2.6"
    assert torch.advice == "Run pip install 'torch>=2.6'."
    assert lightning.found == "pytorch-lightning 2.6.2, and tlbench needs !=2.6.2,>=2.6"


def test_versions_that_were_not_tested_are_a_note(installed: Installed, tmp_path: Path) -> None:
    pins = tmp_path / "constraints.txt"
    pins.write_text("# tested\ntorch==2.13.0\npytorch_lightning==2.6.6\n")
    installed(torch="2.13.0+cpu")  # the same release, built for CPUs
    _, note = versions.packages(pins)
    assert note.level == "note"
    assert note.found.endswith("the tests ran with: pytorch-lightning 2.6.1 (2.6.6)")
    installed(torch="2.13.0", pytorch_lightning="2.6.6")
    assert only(versions.packages(pins)).level == "ok"
