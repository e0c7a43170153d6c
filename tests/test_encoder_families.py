"""The script that tries every family, and the table that it made."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.encoder_families import FAMILIES, table, try_families

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "scripts" / "encoder_families.md").read_text()


def test_the_table_is_what_the_script_finds() -> None:
    tried = try_families(["bert", "distilbert", "fnet", "squeezebert", "bart"])
    assert [(each.family, each.kernels, bool(each.refused)) for each in tried] == [
        ("bert", "unpadded", False),
        ("distilbert", "plain", False),
        ("fnet", "", True),
        ("squeezebert", "plain", False),
        ("bart", "", True),
    ]
    for line in table(tried).splitlines():
        assert line in TABLE


def test_the_table_has_every_family() -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    # Another version of transformers may have others.
    assert len({family for family, *_ in cells} & set(FAMILIES)) >= 40
    for _, result, kernels, sentence in cells:
        assert bool(kernels) == (result == "trains")
        assert sentence.startswith("Change encoder.name: ") == (result == "refused")


def test_the_command_prints_the_requested_rows() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts" / "encoder_families.py", "electra", "xmod"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=300,
    ).stdout
    assert "| electra | trains | unpadded |  |" in printed
    assert "| xmod | refused |  | Change encoder.name: 'xmod' (xmod) can't be trained (" in printed
    assert "2 families tried, 1 train, 1 refused" in printed
