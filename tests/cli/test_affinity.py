"""``tlbench-affinity`` on the published study: gains, how good they are, groups to train."""

from pathlib import Path

import pytest

from tlbench.cli.affinity import main

STUDY = Path(__file__).parents[2] / "notebooks" / "glue_cpu" / "records.parquet"


def test_the_published_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(STUDY), "--groups", "2"]) == 0
    printed = capsys.readouterr().out
    assert "Gain of each target from each support" in printed
    rows = {line.split("│")[1].strip(): line for line in printed.splitlines() if "│" in line}
    assert {"ridge", "size_rule", "mean", "cola", "rte"} <= {*rows}
    assert "trained together, measured (predicted): cola+mnli+mrpc+qnli+rte+sst2: cola " in printed
    assert "tlbench -m strategy=mtl_all 'strategy.tasks=[mnli,rte]' target_task=rte" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--groups", "0"], "Change --groups: it is a number from 1 to 6."),
        (["--strategy", "stilts2"], "Give a study with pairs of three targets or more"),
    ],
)
def test_what_can_not_be_answered(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(STUDY), *words]) == 1
    assert message in capsys.readouterr().err
