"""Versions of Python and of what tlbench needs, against the ranges that it asks for."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tlbench.config.search_path import CONF_DIR
from tlbench.doctor.finding import Finding

PINS = CONF_DIR.parent / "constraints.txt"  # of a checkout; a wheel has none
_NAMED = ("tlbench", "torch", "pytorch-lightning", "transformers")  # whether or not they differ
_SHOWN = 4  # versions that are not those of the tests


def python() -> Iterator[Finding]:
    """Yield whether this Python is one that tlbench runs with."""
    asked, here = str(metadata("tlbench")["Requires-Python"]), platform.python_version()
    if SpecifierSet(asked).contains(here, prereleases=True):
        yield Finding("ok", "python", f"{here}, and tlbench needs {asked}")
    else:
        advice = "Make an environment with another Python."
        yield Finding("problem", "python", f"{here}, but tlbench needs {asked}", advice)


def packages(pins: Path = PINS) -> Iterator[Finding]:
    """Yield what is missing or of another version than tlbench asks for, or than its tests had."""
    parsed = [Requirement(line) for line in requires("tlbench") or ()]
    wanted = [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]
    installed = {one.name: _installed(one.name) for one in wanted}
    wrong = [
        one
        for one in wanted
        if not one.specifier.contains(installed[one.name] or "0", prereleases=True)
    ]
    for one in wrong:
        there = installed[one.name] or "is not installed"
        yield Finding(
            "problem",
            "packages",
            f"{one.name} {there}, and tlbench needs {one.specifier}",
            f"Run pip install '{one.name}{one.specifier}'.",
        )
    if not wrong:
        named = ", ".join(f"{name} {_installed(name)}" for name in _NAMED)
        yield Finding("ok", "packages", f"{named}; all {len(wanted)} are in tlbench's ranges")
    yield from _not_tested(installed, pins)


def _not_tested(installed: dict[str, str | None], pins: Path) -> Iterator[Finding]:
    """Yield which versions are not those that the tests ran with."""
    if not pins.is_file():
        return
    lines = (line.split("==") for line in pins.read_text("utf-8").splitlines() if "==" in line)
    tested = {name.lower().replace("_", "-"): pin for name, pin in lines}
    other = [
        f"{name} {here} ({tested[name]})"
        for name, here in sorted(installed.items())
        if here and name in tested and Version(here).public != Version(tested[name]).public
    ]
    if other:
        more = f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        yield Finding(
            "note",
            "packages",
            f"not the versions that the tests ran with: {', '.join(other[:_SHOWN])}{more}",
            "Run pip install -c constraints.txt -e . if something fails.",
        )


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
