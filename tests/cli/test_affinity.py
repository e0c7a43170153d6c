"""``tlbench-affinity``: gains, how good they are, groups to train."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tests.support.plannable import TASKS, plannable_study
from tests.support.planted import record, write
from tlbench.analysis.collect import collect
from tlbench.cli.affinity import main
from tlbench.predictors.texts import text_similarities

STUDY = Path(__file__).parents[2] / "notebooks" / "glue_cpu" / "records.parquet"


def test_the_published_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(STUDY), "--groups", "2"]) == 0
    printed = capsys.readouterr().out
    assert "Gain of each target from each support" in printed
    rows = {line.split("│")[1].strip(): line for line in printed.splitlines() if "│" in line}
    assert {"ridge", "ridge without sizes", "size_rule", "mean", "cola", "rte"} <= {*rows}
    assert "predicted from: sizes (target rows, support rows, ratio); scores (" in printed
    assert "trained together, measured (predicted): cola+mnli+mrpc+qnli+rte+sst2: cola " in printed
    assert "tlbench -m strategy=mtl_all 'strategy.tasks=[mnli,rte]' target_task=rte" in printed


def rows_of(printed: str) -> dict[str, list[str]]:
    """The cells of the printed tables by their first."""
    lines = [line.split("│")[1:-1] for line in printed.splitlines() if "│" in line]
    return {first.strip(): [cell.strip() for cell in cells] for first, *cells in lines}


def test_texts_are_read_where_the_overrides_say_and_used(
    compose: Compose, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, place = tmp_path / "study", f"cache_dir={cache}"
    alone = plannable_study(compose)
    write(alone, study)
    alike = text_similarities([study], collect([study]).table, [place])
    lowest, highest = min(alike.values()), max(alike.values())
    rows = dict.fromkeys(TASKS, 100)
    pairs = [
        record("mtl", target, support, rows, 0, 0.7 + 0.1 * share - 0.05)
        for (target, support), number in alike.items()
        for share in [(number - lowest) / (highest - lowest)]
    ]
    write([*alone, *pairs], study)
    assert main([str(study), "--texts", place]) == 0
    printed = capsys.readouterr().out
    assert "; texts (text similarity)" in printed
    errors = rows_of(printed)
    assert float(errors["ridge"][1]) < float(errors["ridge without texts"][1])
    assert float(errors["ridge"][2].rstrip("%")) > 90


def test_curves_of_records_are_used_where_there_are_any(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, scores = {"a": 10, "b": 20, "c": 30, "d": 40}, [0.51, 0.6]
    records = [
        record("mtl", target, support, rows, 0, 0.7 + rows[support] / 1000)
        for target in rows
        for support in rows
        if target != support
    ]
    stage = {"title": "", "steps": 9, "instances": 9}
    for task in rows:
        curve = {"steps": [1, 2], "scores": {task: scores}, "chosen": {task: 2}}
        stages = [{**stage, "train_rows": {task: rows[task]}, "curve": curve}]
        records.append(replace(record("single", task, None, rows, 0, 0.7), stages=stages))
    write(records, tmp_path / "study")
    assert main([str(tmp_path / "study"), "--features", "labels,curves"]) == 0
    printed = capsys.readouterr().out
    assert "predicted from: curves (early, late, support's early, support's late)\n" in printed
    assert "left out, as the records do not have them: counts of labels\n" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--groups", "0"], "Change --groups: it is a number from 1 to 6."),
        (["--features", "sizes,shapes"], "Change --features: 'shapes' is none of sizes, scores,"),
        (["--features", "texts"], "(and texts are asked for by --texts)."),
        (["--features", ""], "Change --features: '' is none of"),
        (["--features", "curves"], "the records do not have curves of two evaluations or more; th"),
        (["--texts", "/data/glue"], "Change --texts: '/data/glue' is no override as key=value"),
        (["--texts", "suite.root=/nowhere"], "there is no folder /nowhere"),
        (["--strategy", "stilts2"], "Give a study with pairs of three targets or more"),
    ],
)
def test_what_can_not_be_answered(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(STUDY), *words]) == 1
    assert message in capsys.readouterr().err
