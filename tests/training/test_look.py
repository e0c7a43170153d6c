"""What is logged of a stage's rows, and what its manifest keeps."""

import logging

import pytest

from tests.support.experiments import Run


def test_two_lines_a_task_in_the_log_and_all_of_it_in_the_record(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        record = run("strategy=stilts", "support_task=mrpc", "selection=held_out")
    said = [line for line in caplog.messages if line.startswith(("  mrpc train:", "  rte train:"))]
    assert len(said) == 4
    data = {task: one for stage in record.stages for task, one in stage["data"].items()}
    assert data.keys() == {"rte", "mrpc"}
    for task, found in data.items():
        rows = sum(stage["train_rows"].get(task, 0) for stage in record.stages)
        assert found["rows"] == sum(found["labels"].values()) == rows
        assert any(f"  {task} train: {rows:,} rows; " in line for line in said)
