"""README is short and plain, and its two commands use what is there (others: test_docs.py)."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def prose(text: str) -> list[str]:
    """The sentences of a page, without code, tables, headings and the targets of links."""
    text = re.sub(
        r"^```.*?^```|^\|.*?$|^#.*?$|!\[[^\]]*\]\([^)]*\)", "\n\n", text, flags=re.M | re.S
    )
    text = re.sub(r"\]\([^)]*\)", "]", text)
    parts = re.split(r"\n\s*\n|^- |(?<=[.:?!])[*]*\s", text, flags=re.M)
    return [" ".join(part.split()) for part in parts if part.strip()]


def test_it_is_short_and_its_sentences_are() -> None:
    assert len(README.splitlines()) <= 120
    assert not [one for one in prose(README) if len(one.split()) > 30]


def test_the_two_commands_use_what_is_there() -> None:
    first, second = re.findall(r"^python3 -m venv.*$", README, re.MULTILINE)
    assert "experiment=quickstart" in first
    assert second.endswith("pytest")
    assert (ROOT / "constraints.txt").is_file()
    assert "dev" in PROJECT["optional-dependencies"]


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    wanted += PROJECT["optional-dependencies"]["docs"]
    names = {re.split(r"[\[<>=]", requirement)[0].lower() for requirement in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").open()
    }
    assert names - {"tlbench"} <= pinned
