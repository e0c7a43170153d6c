"""docs/start/own-task.md, done to the letter: from a CSV to a model and its predictions."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.forked import Forks
from tlbench.records.record import read_record

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "start" / "own-task.md").read_text()
MODULES = {
    "tlbench": "tlbench",
    **{f"tlbench-{name}": f"tlbench.cli.{name}" for name in ("report", "export", "predict")},
}


def steps() -> list[tuple[str, str]]:
    """The blocks of the page that a reader does something with, in their order."""
    return re.findall(r"```(yaml|bash)\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_is_done_to_the_letter(tmp_path: Path, forks: Forks) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for language, block in steps():
        if language == "yaml":
            file = tmp_path / block.split()[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block)
            continue
        for line in block.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line)
            if program == "pip":
                continue
            module = "examples.make_tickets" if program == "python" else MODULES[program]
            words = words[1:] if program == "python" else words
            words += ["trainer.max_epochs=1"] if "-m" in words else []  # a third of its minutes
            done = forks.run(module, tuple(words), tmp_path, timeout=900)
            assert done.returncode == 0, done.stdout + done.stderr
    records = [read_record(file) for file in tmp_path.glob("multirun/tickets/*/result.json")]
    assert [record.status for record in records] == ["done"] * 9
    assert {record.strategy for record in records} == {"single", "stilts", "mtl"}
    assert (tmp_path / "report" / "index.html").is_file()
    assert (tmp_path / "my_model" / "model.safetensors").is_file()
    rows = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + 100
    assert {row.split(",")[2] for row in rows[1:]} <= {"open", "solved"}
