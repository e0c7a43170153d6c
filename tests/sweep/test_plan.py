from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sweeps import MakeSweeper
from tlbench.sweep.compose import Composer, combine
from tlbench.sweep.plan import Plan, make_plan

MakePlan = Callable[..., Plan]


@pytest.fixture
def plan(make_sweeper: MakeSweeper, tmp_path: Path) -> MakePlan:
    def go(*arguments: str) -> Plan:
        sweeper, config, overrides = make_sweeper(*arguments)
        composer = Composer(sweeper.context.config_loader, config)
        return make_plan(combine(sweeper.axes(overrides), composer), tmp_path / "sweep")

    return go


def titles(plan: Plan) -> list[list[str]]:
    return [[job.stage.title for job in wave] for wave in plan.waves]


def test_impossible_and_duplicate_combinations_are_dropped(plan: MakePlan) -> None:
    tasks = "rte,mrpc"
    found = plan("strategy=single,stilts,mtl", f"target_task={tasks}", f"support_task={tasks}")
    assert found.combinations == 12
    assert sum(found.impossible.values()) == 4
    assert found.duplicates == 2
    assert len(found.experiments) == 6
    assert len(found.stages) == 5  # a pair is one stage for both directions


def test_equal_values_are_duplicates(plan: MakePlan) -> None:
    assert plan("seed=1,1,2").duplicates == 1


def test_what_others_start_from_is_trained_in_an_earlier_wave(plan: MakePlan) -> None:
    found = plan("strategy=stilts,single,mtl", "target_task=rte,mrpc", "support_task=mrpc")
    assert titles(found) == [["mrpc", "rte", "mrpc+rte"], ["rte<-mrpc"]]


def test_the_longest_jobs_of_a_wave_come_first(plan: MakePlan) -> None:
    """The longest would else begin last, and run alone where jobs run beside each other."""
    grid = ("strategy=single,mtl", "target_task=wnli,rte", "support_task=wnli,mnli")
    (wave,) = titles(
        plan(*grid, "trainer.max_steps=null", "subsample_size={target:null,support:null}")
    )
    assert wave == ["mnli+rte", "mnli+wnli", "rte+wnli", "rte", "wnli"]


@pytest.mark.parametrize(
    ("selection", "of_experiment"), [("cross_fit", "61.0"), ("dev", "70.0 (collapsed)")]
)
def test_what_is_said_of_an_experiment_is_the_score_of_its_record(
    plan: MakePlan, monkeypatch: pytest.MonkeyPatch, selection: str, of_experiment: str
) -> None:
    entry = {"score": 0.7, "collapsed": True, "cross_fit": {"score": 0.61, "collapsed": False}}
    manifest = {"tasks": {"rte": entry, "mrpc": entry}}
    monkeypatch.setattr("tlbench.sweep.plan.find", lambda stage: manifest)
    found = plan("strategy=stilts", "support_task=mrpc", f"selection={selection}")
    by_title = {job.stage.title: job.score for job in found.jobs}
    # A stage that others start from is what dev chose, whatever the experiment's selection.
    assert by_title == {"mrpc": "70.0 (collapsed)", "rte<-mrpc": of_experiment}


def test_an_experiment_trains_the_stage_that_it_ends_with(
    plan: MakePlan,
) -> None:
    found = plan("strategy=stilts,single", "support_task=mrpc")
    jobs = {job.stage.title: job for job in found.jobs}
    key = jobs["mrpc"].stage.key
    assert jobs["mrpc"].overrides[-1] == f"only_stage='{key}'"
    assert jobs["mrpc"].folder.as_posix().endswith(f"stages/{key}")
    assert jobs["rte"].folder.name.startswith("rte-single-seed0-")
    assert jobs["rte<-mrpc"].folder.name.startswith("rte-stilts-mrpc-seed0-")


def test_a_job_keeps_the_weights_that_an_experiment_would_drop(
    plan: MakePlan,
) -> None:
    grid = ("strategy=stilts,single", "target_task=mrpc,rte", "support_task=mrpc")
    for keep, told in (("needed", False), ("none", True), ("all", False)):
        jobs = {job.stage.title: job for job in plan(*grid, f"keep_weights={keep}").jobs}
        assert ("keep_weights=[mrpc]" in jobs["mrpc"].overrides) == told
        assert "keep_weights=[rte]" not in jobs["rte"].overrides


def test_a_sweep_hands_the_encoders_identity_to_its_jobs(plan: MakePlan) -> None:
    (job,) = plan("encoder=tiny").jobs
    (handed,) = (text for text in job.overrides if text.startswith("++encoder.identity="))
    assert handed == f"++encoder.identity='{job.stage.config.encoder.identity}'"


def test_what_is_not_known_of_an_encoder_keeps_it_from_being_trained(plan: MakePlan) -> None:
    found = plan("encoder.name=org/nowhere", "seed=0,1")
    assert found.jobs == []
    assert all("'org/nowhere' is no folder" in str(one.error) for one in found.experiments)


@pytest.mark.slow
def test_the_papers_grid(plan: MakePlan) -> None:
    every = "strategy.tasks=[cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte,wnli]"
    found = plan("experiment=paper_grid", every, "seed=42,1")
    assert found.combinations == 2 * 324
    assert sum(found.impossible.values()) == 2 * 18
    assert found.duplicates == 2 * 144
    assert len(found.experiments) == 2 * 162
    assert len(found.stages) == 2 * 118
    assert [len(wave) for wave in found.waves] == [2 * 46, 2 * 72]
