"""What is said of supports before they are tried, and which are not tried at all."""

import json
from pathlib import Path

import pytest

from tests.support.experiments import Trained
from tests.support.sweeps import Sweep
from tests.sweep.test_race import budget
from tlbench.errors import UserError

STUDY = Path(__file__).parents[2] / "notebooks" / "glue_cpu" / "records.parquet"
RACE = ("hydra/sweeper=race", "target_task=rte", "support_task=mrpc,sst2,mnli")
ASK = (*RACE, budget(0))
SKIP = ("hydra.sweeper.prior=text_similarity", "hydra.sweeper.skip=2")


def test_without_trainings_the_predictors_are_asked_and_what_they_have_cost_is_said(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*ASK, f"hydra.sweeper.studies=[{STUDY}]")
    printed = capsys.readouterr().out
    assert "Supports for rte, before they are tried (rank)" in printed
    for name in ("size_rule", "text_similarity", "earlier", "any support"):
        assert name in printed
    assert "│ logme" not in printed
    assert "the mean over 6 targets (90% interval)" in printed
    assert trained.titles == []
    assert not (tmp_path / "sweep" / "race.json").exists()


@pytest.mark.slow
def test_finished_stages_let_more_predictors_speak(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*RACE, budget(10))
    capsys.readouterr()
    sweep(*ASK)
    header = next(line for line in capsys.readouterr().out.splitlines() if "size_rule" in line)
    assert all(name in header for name in ("logme", "knn", "task_embedding"))


@pytest.mark.slow
def test_what_is_skipped_is_named_and_stays_skipped(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = sweep(*RACE, *SKIP, budget(4))
    assert (
        len({record.support_tasks[0] for record in records.values() if record.support_tasks}) == 1
    )
    skipped = json.loads((tmp_path / "sweep" / "race.json").read_text())["skipped"]
    assert len(skipped["rte"]) == 2
    said = f"skipped for rte, as text_similarity says: {', '.join(skipped['rte'])}; no finished"
    assert said in capsys.readouterr().out
    sweep(*RACE, *SKIP, budget(6))
    assert json.loads((tmp_path / "sweep" / "race.json").read_text())["skipped"] == skipped


@pytest.mark.slow
def test_what_skipping_has_cost_is_said_with_it(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("hydra.sweeper.prior=size_rule", "hydra.sweeper.skip=2")
    sweep(*RACE, *words, budget(4), f"hydra.sweeper.studies=[{STUDY}]")
    assert "; in finished studies that has cost " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prior=luck",), r"^Change hydra.sweeper.prior: 'luck' is none of size_rule, "),
        (("skip=1",), "^Add hydra.sweeper.prior=text_similarity, or another"),
        (("prior=size_rule", "skip=3"), "^Change hydra.sweeper.skip: rte has 3 supports"),
        (("prior=logme", "skip=1"), "^Change hydra.sweeper.prior: logme can't judge mnli, mrpc"),
        (("studies=[nowhere]", "prior=earlier"), "nowhere"),
    ],
)
def test_what_can_not_be_asked_is_refused(
    sweep: Sweep, trained: Trained, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sweep(*RACE, budget(20), *(f"hydra.sweeper.{word}" for word in words))
    assert trained.titles == []
