"""Adapters from a command line to a report, a model and the same again, as typed."""

from pathlib import Path

import pytest

from tests.support.commands import Command, assert_exports_and_runs_again
from tlbench.records.record import read_record

pytest.importorskip("peft", reason="needs tlbench[adapters]")
pytestmark = pytest.mark.slow

LORA = ("encoder/adapter=lora", "encoder.adapter.target_modules=all-linear", "optim.lr=5e-4")


def test_a_run_from_its_record_to_a_model_and_to_the_same_again(
    command: Command, tmp_path: Path
) -> None:
    typed = ("debug=fast", "strategy=stilts", "support_task=qnli", "keep_weights=[rte]", *LORA)
    ran = command(*typed)
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    record = read_record(file)
    assert record.status == "done"
    assert record.config["encoder"]["adapter"] == {"name": "lora", "target_modules": "all-linear"}
    assert_exports_and_runs_again(command, file, tmp_path)


def test_a_study_has_a_strategy_with_and_without_one(command: Command, tmp_path: Path) -> None:
    grid = ("study=s", "strategy=single,stilts", "encoder/adapter=none,lora", "support_task=qnli")
    ran = command("-m", "debug=fast", *grid, "encoder.adapter.r=4,8", "target_task=rte")
    assert ran.returncode == 0, ran.stderr
    records = [read_record(file) for file in (tmp_path / "multirun" / "s").glob("*/result.json")]
    assert sorted(record.strategy for record in records) == 3 * ["single"] + 3 * ["stilts"]
    page = command("multirun/s", module="tlbench.cli.report")
    assert page.returncode == 0, page.stderr
    text = (tmp_path / "report" / "index.html").read_text()
    for name in ("single, LoRA", "STILTs, LoRA with qnli", "adapters.lora.r"):
        assert name in text, name


def test_a_wrong_module_ends_in_a_sentence(command: Command, tmp_path: Path) -> None:
    ran = command("debug=fast", LORA[0], "encoder.adapter.target_modules=[qeury]")
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith("Change encoder.adapter.target_modules: the encoder has no module 'qe")
    assert "Traceback" not in ran.stderr
