from pathlib import Path

import pandas as pd
import pytest

from tests.support.planted import grid, none
from tlbench.cli.report import main
from tlbench.report.format import Column, Table, without_formulas


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_or_heading_of_a_csv_is_a_formula(start: str) -> None:
    text = f"{start}cmd()"
    safe = without_formulas(pd.DataFrame({"task": [text, "rte"], text: [1, 2]}))
    assert safe.task.tolist() == [f"'{text}", "rte"]
    assert safe.columns.tolist() == ["task", f"'{text}"]


def test_numbers_and_the_sign_for_none_stay_what_they_are() -> None:
    frame = pd.DataFrame({"gain": [-1.5, 2.0], "text": ["-1.5", "+2e3"], "support": ["-", None]})
    pd.testing.assert_frame_equal(without_formulas(frame), frame)


def test_a_task_whose_name_is_a_formula_is_text_in_every_csv(tmp_path: Path) -> None:
    tasks = {"=cmd()": 100, "rte": 10}
    for number, one in enumerate(grid(tasks, none, seeds=[0, 1])):
        one.write(tmp_path / "study" / str(number))
    assert main([str(tmp_path / "study"), "--out", str(tmp_path / "out")]) == 0
    files = list((tmp_path / "out").rglob("*.csv"))
    assert len(files) > 8
    for file in files:
        cells = pd.read_csv(file, header=None, dtype=str).to_numpy().ravel()
        assert not [cell for cell in cells if str(cell).startswith(("=", "@"))], file.name


def test_a_person_reads_the_text_itself(tmp_path: Path) -> None:
    table = Table("t", "T", "", [Column("task", "task")], pd.DataFrame({"task": ["=cmd()"]}))
    assert table.words().task.tolist() == ["=cmd()"]
    table.write(tmp_path)
    assert (tmp_path / "t.csv").read_text() == "task\n'=cmd()\n"
