"""docs/concepts/architecture.md names what is there."""

import re
from pathlib import Path

import pytest

from tests.test_order import ORDER

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "concepts" / "architecture.md").read_text()
# A folder or a file, in code or as a link's text; a name with <...> is of a file to come.
NAMED = sorted(set(re.findall(r"[`\[]((?:\w+/)+(?:\w+\.\w+)?|\w+\.(?:py|yaml))[`\]]", PAGE)))
LINKS = sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", PAGE)))
WAY = PAGE.split("## The way of one value")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", NAMED)
def test_a_file_that_is_named_is_there(name: str) -> None:
    assert (ROOT / "tlbench" / name).exists() or (ROOT / name).exists()


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / "concepts" / link).exists()


def test_no_file_is_overlooked() -> None:
    assert {"jobs/job.py", "conf/optim/adamw.yaml", "plan/", "__main__.py"} < set(NAMED)
    assert len(NAMED) > 50


def test_the_folders_are_those_of_the_package_in_their_order() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = [name.rstrip("/").removesuffix(".py") for row in rows for name in row.split("`")[1::2]]
    assert named == list(ORDER)


def test_the_way_of_a_value_is_ten_lines() -> None:
    assert re.findall(r"^(\d+)\. ", WAY, flags=re.MULTILINE) == [str(n) for n in range(1, 11)]
