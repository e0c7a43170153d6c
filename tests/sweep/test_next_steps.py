"""What is said at the end of a sweep."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.experiments import Run
from tlbench.cli import export, report
from tlbench.config.command_line import parse
from tlbench.sweep.next_steps import next_steps


def test_the_commands_can_be_given_as_they_stand(run: Run) -> None:
    steps = next_steps([run("target_task=rte")], Path("multirun/my study"))
    commands = [step.split("  ")[0] for step in steps]
    assert commands[0] == "tlbench-report 'multirun/my study'"
    assert report.parser().parse_args(["multirun/my study"]).study
    assert commands[1].startswith("tlbench-export 'multirun/my study' --target rte ")
    assert export.parser().parse_args(["x", "--target", "rte", "--out", "my_model"]).out
    assert parse(commands[2].split()[1:]).options["config_dir"] == "my_conf"


def test_ones_own_data_is_named_where_the_rows_were_generated(run: Run) -> None:
    record = run("target_task=rte")
    assert "own-task.md" in next_steps([record], Path("a"))[-1]
    config = {**record.config, "suite": {**record.config["suite"], "name": "glue"}}
    assert len(next_steps([replace(record, config=config)], Path("a"))) == 2


@pytest.mark.parametrize("changes", [{"status": "diverged", "score": None, "error": "so"}])
def test_without_a_score_there_is_nothing_to_do(run: Run, changes: dict[str, object]) -> None:
    record = replace(run("target_task=rte"), **changes)  # type: ignore[arg-type]
    assert next_steps([record], Path("a")) == []
    assert next_steps([], Path("a")) == []
