"""Every strategy of several stages or supports from a command line to its model, as typed."""

from pathlib import Path

import pytest

from tests.support.commands import Command, assert_exports_and_runs_again
from tlbench.records.record import read_record

pytestmark = pytest.mark.slow

TWO = "strategy.tasks=[qnli,mnli]"
CHOICES = {
    "mtl_then_target": ("support_task=mnli",),
    "chain": (TWO,),
    "lp_ft": (),
    "mtl_many": (TWO,),
}
TITLES = {
    "mtl_then_target": ["mnli+rte", "rte<-mnli+rte:rte"],
    "chain": ["qnli", "mnli<-qnli", "rte<-mnli<-qnli"],
    "lp_ft": ["heads(rte)", "rte<-heads(rte)"],
    "mtl_many": ["mnli+qnli+rte"],
}


@pytest.mark.parametrize("strategy", CHOICES)
def test_a_run_is_what_its_dry_run_has_said(
    command: Command, tmp_path: Path, strategy: str
) -> None:
    typed = ("debug=fast", f"strategy={strategy}", *CHOICES[strategy])
    planned = command(*typed, "hydra.sweeper.dry_run=true")
    assert planned.returncode == 0, planned.stderr
    ran = command(*typed)
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    record = read_record(file)
    assert record.status == "done"
    assert [stage["title"] for stage in record.stages] == TITLES[strategy]
    assert all(title in planned.stdout for title in TITLES[strategy])


def test_heads_first_from_a_record_to_a_model_and_to_the_same_again(
    command: Command, tmp_path: Path
) -> None:
    ran = command("debug=fast", "strategy=lp_ft", "optim.lr=1e-3", "keep_weights=[rte]")
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    assert_exports_and_runs_again(command, file, tmp_path)


def test_a_sweep_and_its_page_have_each_as_a_candidate(command: Command, tmp_path: Path) -> None:
    every = f"strategy=single,{','.join(CHOICES)}"
    grid = ("debug=fast", "study=s", every, "support_task=mnli", TWO)
    ran = command("-m", *grid)
    assert ran.returncode == 0, ran.stderr
    records = [read_record(file) for file in (tmp_path / "multirun" / "s").glob("*/result.json")]
    assert sorted(record.strategy for record in records) == sorted(["single", *CHOICES])
    page = command("multirun/s", module="tlbench.cli.report")
    assert page.returncode == 0, page.stderr
    text = (tmp_path / "report" / "index.html").read_text()
    for name in (
        "MTL then target with mnli",
        "chain with qnli+mnli",
        "LP-FT",
        "MTL-MANY with qnli+mnli",
    ):
        assert name in text, name


def test_a_race_tries_them_all(command: Command, tmp_path: Path) -> None:
    every = f"strategy={','.join(CHOICES)}"
    options = ("hydra/sweeper=race", "hydra.sweeper.trainings=9", "study=r")
    ran = command("-m", "debug=fast", *options, every, "support_task=mnli", TWO)
    assert ran.returncode == 0, ran.stderr
    assert "race: candidates: 5 for rte" in ran.stdout
    records = [read_record(file) for file in (tmp_path / "multirun" / "r").glob("*/result.json")]
    assert {record.strategy for record in records} == {"single", *CHOICES}
