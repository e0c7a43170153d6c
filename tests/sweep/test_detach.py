"""A sweep that is left in Slurm's queue; here on a Slurm of files, in scripts/ on a real one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Command
from tests.support.experiments import Trained
from tests.support.slurm import Slurm
from tests.support.sweeps import MakeSweeper, Sweep, found
from tlbench.errors import UserError
from tlbench.jobs import awaiting, beside
from tlbench.sweep import submit
from tlbench.sweep.plan import SweepJob

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")

LEFT = ("hydra/launcher=slurm", "hydra.sweeper.detach=true")
# Slurm job 1 is mrpc of either seed, 2 is rte<-mrpc.
STUDY = (*LEFT, "strategy=stilts", "support_task=mrpc", "seed=0,1")
CHAIN = (*LEFT, "strategy=mtl", "strategy.plan=tests.support.graphs.chain", "support_task=mrpc")


@pytest.fixture(autouse=True)
def nothing_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "PATIENCE", 0.0)


@pytest.fixture
def in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the stages of a Slurm job run in this process, one after the other."""
    monkeypatch.setattr(beside, "run", lambda calls, _: [call() for call in calls])


@pytest.fixture
def left(sweep: Sweep, slurm: Slurm, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Give the command of a sweep that can be left; return what it prints."""

    def give(*arguments: str) -> str:
        capsys.readouterr()
        sweep(*arguments)
        return capsys.readouterr().out

    return give


def place(printed: str) -> dict[str, int]:
    """The counts of experiments by where they stand."""
    (row,) = [line for line in printed.splitlines() if line.startswith("│")][-1:]
    names = ("done", "running", "waiting", "not submitted", "failed")
    return dict(zip(names, map(int, row.replace("│", " ").split()), strict=True))


@pytest.mark.slow
def test_all_waves_are_queued_at_once_and_the_same_command_ends_the_study(
    left: Callable[..., str], slurm: Slurm, trained: Trained, tmp_path: Path
) -> None:
    said = left(*CHAIN, "seed=0,1")
    assert trained.titles == []
    assert [told.get("dependency") for told in slurm.arrays.values()] == [
        None,
        "afterany:1",
        "afterany:1:2",
    ]
    assert "submitted: wave 3: Slurm job 3 (2 jobs), after 1, 2" in said
    assert place(said) == {"done": 0, "running": 0, "waiting": 2, "not submitted": 0, "failed": 0}
    slurm.becomes("1_0", "RUNNING")
    said = left(*CHAIN, "seed=0,1")
    assert "running: rte s0: Slurm job 1_0, 0:07" in said
    assert "waiting: 5 jobs (Priority)" in said
    assert place(said)["running"] == 1
    assert len(slurm.arrays) == 3
    slurm.run_all()
    assert len(trained.titles) == 6
    said = left(*CHAIN, "seed=0,1")
    assert "Scores on dev" in said
    assert {record.status for record in found(tmp_path).values()} == {"done"}
    assert len(trained.titles) == 6
    assert len(slurm.arrays) == 3


BESIDE = (*STUDY, "seed=range(4)", "hydra.launcher.stages_per_job=2")


@pytest.mark.slow
def test_a_slurm_job_of_several_stages_trains_each_once(
    left: Callable[..., str], slurm: Slurm, trained: Trained, tmp_path: Path, in_turns: None
) -> None:
    said = left(*BESIDE)
    assert "submitted: wave 1: Slurm job 1 (2 jobs with 4 stages)" in said
    assert "submitted: wave 2: Slurm job 2 (2 jobs with 4 stages), after 1" in said
    assert sorted(slurm.queue) == ["1_0", "1_1", "2_0", "2_1"]
    slurm.becomes("1_0", "RUNNING")
    said = left(*BESIDE)
    assert said.count("running: mrpc s") == said.count(": Slurm job 1_0, 0:07") == 2
    assert "waiting: 6 jobs (Priority)" in said
    slurm.run_all()
    assert sorted(trained.titles) == ["mrpc"] * 4 + ["rte<-mrpc"] * 4
    assert "Scores on dev" in left(*BESIDE)
    assert {record.status for record in found(tmp_path).values()} == {"done"}
    assert len(slurm.arrays) == 2


@pytest.mark.slow
def test_stages_that_share_a_slurm_job_leave_the_queue_together(
    left: Callable[..., str],
    slurm: Slurm,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    in_turns: None,
) -> None:
    """Of a Slurm job with a stage that would begin too early, none stays behind."""

    def lengths(jobs: list[SweepJob]) -> list[float]:
        # Seeds 0 and 2, 1 and 3 in the first wave; 0 and 3, 1 and 2 in the second.
        return [5.0 - job.stage.config.seed if job.stage.needs else 1.0 for job in jobs]

    monkeypatch.setattr(submit, "expected_lengths", lengths)
    left(*BESIDE)
    slurm.run("1_0")
    assert len(trained.titles) == 2
    slurm.becomes("1_1", "CANCELLED")
    said = left(*BESIDE)
    assert said.count("to be submitted again: mrpc s") == 2
    assert [line for line in said.splitlines() if line.startswith("submitted: ")] == [
        "submitted: wave 1: Slurm job 3 (2 jobs with 4 stages)",  # mrpc, and rte of seeds 0 and 2
        "submitted: wave 2: Slurm job 4 (1 jobs with 2 stages), after 3",
    ]
    assert sorted(slurm.queue) == ["3_0", "3_1", "4"]
    slurm.run_all()
    assert "Scores on dev" in left(*BESIDE)
    assert sorted(trained.titles) == ["mrpc"] * 4 + ["rte<-mrpc"] * 4


def test_a_stage_that_is_killed_has_failed_and_its_neighbour_has_not(
    left: Callable[..., str],
    slurm: Slurm,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def kill_first(calls: list[Callable[[], object]], _: object) -> list[object]:
        return [beside.Ended("its process was ended by SIGKILL"), *(call() for call in calls[1:])]

    study = (*LEFT, "seed=0,1", "hydra.launcher.stages_per_job=2")
    left(*study)
    monkeypatch.setattr(beside, "run", kill_first)
    slurm.run("1")
    capsys.readouterr()
    with pytest.raises(UserError, match="1 experiments failed"):
        left(*study)
    printed = capsys.readouterr().out.replace("\n", "")
    assert "failed: single rte s0: its process was ended by SIGKILL (log: " in printed
    assert {name: r.status for name, r in found(tmp_path).items()} == {
        "single rte s0": "failed",
        "single rte s1": "done",
    }


def test_what_the_user_may_have_in_the_queue_are_slurm_jobs(
    left: Callable[..., str], slurm: Slurm
) -> None:
    said = left(
        *LEFT, "seed=range(5)", "hydra.launcher.stages_per_job=2", "hydra.sweeper.max_submit=2"
    )
    assert sorted(slurm.queue) == ["1_0", "1_1"]
    assert place(said) == {"done": 0, "running": 0, "waiting": 4, "not submitted": 1, "failed": 0}


@pytest.mark.slow
def test_stages_of_a_slurm_job_run_in_processes_of_their_own(
    command: Command, slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a node: submitit's process, and one for each stage."""
    fast = ("suite=generated", "encoder=tiny", "logger=none", "debug=fast", "target_task=rte")
    study = ("-m", *fast, *LEFT, "seed=0,1", "hydra.launcher.stages_per_job=2")
    assert command(*study).returncode == 0
    monkeypatch.chdir(tmp_path)  # as Slurm begins a job where it was submitted
    slurm.run("1")
    ended = command(*study)
    assert ended.returncode == 0, ended.stderr
    assert "Scores on dev" in ended.stdout
    logs = sorted(tmp_path.glob("multirun/adhoc/rte-*/tlbench.log"))
    assert [log.read_text().count(": training as") for log in logs] == [1, 1]


def test_options_of_the_launcher_reach_slurm(left: Callable[..., str], slurm: Slurm) -> None:
    left(
        *LEFT,
        "seed=0,1,2",
        "hydra.launcher.partition=gpu",
        "hydra.launcher.gpus_per_node=1",
        "hydra.launcher.timeout_min=90",
        "hydra.launcher.array_parallelism=2",
        "hydra.launcher.setup=[module load cuda]",
        "+hydra.launcher.additional_parameters={mail-type: FAIL, dependency: afterok:77}",
    )
    told = slurm.arrays["1"]
    assert told["array"] == "0-2%2"
    assert {name: told[name] for name in ("partition", "gpus-per-node", "time", "mem")} == {
        "partition": "gpu",
        "gpus-per-node": "1",
        "time": "90",
        "mem": "8GB",
    }
    assert (told["mail-type"], told["dependency"]) == ("FAIL", "afterok:77")
    scripts = Path(told["output"]).parents[1].glob("*/*_submission.sh")
    assert "module load cuda" in next(scripts).read_text()


@pytest.mark.parametrize(
    ("parallel", "shares", "behind"),
    [
        (5, ["0-1%2", "0-1%2"], [None, None, None]),
        pytest.param(2, ["0-1%1"] * 2, [None, None, "afterany:1"], marks=pytest.mark.slow),
    ],
)
def test_a_wave_is_split_where_arrays_are_small_and_its_arrays_share_what_may_run(
    left: Callable[..., str], slurm: Slurm, parallel: int, shares: list[str], behind: list[str]
) -> None:
    slurm.set(array_size=2)
    left(*LEFT, "seed=range(5)", f"hydra.launcher.array_parallelism={parallel}")
    arrays = slurm.arrays.values()
    assert [told.get("dependency") for told in arrays] == behind
    assert [told.get("array") for told in arrays] == [*shares, None]  # one job is no array


@pytest.mark.slow
def test_a_cancelled_job_is_submitted_again_and_what_begins_with_it_behind_it(
    left: Callable[..., str], slurm: Slurm
) -> None:
    left(*STUDY)
    slurm.becomes("1_0", "CANCELLED")
    said = left(*STUDY)
    assert "to be submitted again: mrpc s0: Slurm job 1_0 ended as CANCELLED" in said
    assert slurm.arrays["4"]["dependency"] == "afterany:3"
    # What begins with it has left the queue for a new place, the other seed stays.
    assert sorted(slurm.queue) == ["1_1", "2_1", "3", "4"]
    slurm.becomes("2_1", "CANCELLED")
    said = left(*STUDY)
    assert "to be submitted again: rte<-mrpc s1: Slurm job 2_1 ended as CANCELLED" in said
    assert slurm.arrays["5"]["dependency"] == "afterany:1"


@pytest.mark.slow
def test_a_failure_is_told_once_and_then_submitted_again(
    left: Callable[..., str],
    slurm: Slurm,
    trained: Trained,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left(*STUDY)
    trained.errors["mrpc"] = RuntimeError("no memory")
    slurm.run_all()
    assert trained.titles == []  # none in place of mrpc's own job
    with pytest.raises(UserError, match="2 experiments failed; the same command again runs only"):
        left(*STUDY)
    said = capsys.readouterr().out.replace("\n", "")
    assert "failed: stilts rte<-mrpc s0: stage mrpc failed: RuntimeError: no memory (log: " in said
    assert [record.status for record in found(tmp_path).values()] == ["failed"] * 2
    assert slurm.queue == {}
    trained.errors.clear()
    assert place(left(*STUDY))["waiting"] == 2
    slurm.run_all()
    assert "Scores on dev" in left(*STUDY)
    assert sorted(trained.titles) == ["mrpc", "mrpc", "rte<-mrpc", "rte<-mrpc"]
    assert {record.status for record in found(tmp_path).values()} == {"done"}


@pytest.mark.slow
def test_a_failure_while_others_wait_stops_only_what_needs_it(
    left: Callable[..., str],
    slurm: Slurm,
    trained: Trained,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left(*STUDY)
    trained.errors["mrpc"] = RuntimeError("no memory")
    slurm.run("1_0")
    trained.errors.clear()
    with pytest.raises(UserError, match="1 experiments failed; the same command again tries"):
        left(*STUDY)
    counts = place(capsys.readouterr().out)
    assert (counts["waiting"], counts["failed"]) == (1, 1)
    assert len(slurm.arrays) == 2
    assert place(left(*STUDY))["waiting"] == 2
    assert sorted(slurm.queue) == ["1_1", "2_1", "3", "4"]
    slurm.run_all()
    assert "Scores on dev" in left(*STUDY)
    assert sorted(trained.titles) == ["mrpc", "mrpc", "rte<-mrpc", "rte<-mrpc"]


def test_a_job_says_which_stage_it_lacks_and_trains_nothing(
    left: Callable[..., str],
    slurm: Slurm,
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left(*STUDY)
    slurm.run("2_0")
    assert trained.titles == []
    (record,) = found(tmp_path).values()
    assert record.status == "failed"
    assert f"{tmp_path / 'store'} lacks mrpc s0 (" in str(record.error)
    assert "another job of this sweep should have trained" in str(record.error)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("OUT_OF_MEMORY", "Slurm job 1 ended as OUT_OF_MEMORY and left no record (log: "),
        pytest.param(
            *("COMPLETED", "Slurm job 1 ended as COMPLETED and left no record (log: "),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_job_that_died_has_failed_as_slurm_says(
    left: Callable[..., str],
    slurm: Slurm,
    capsys: pytest.CaptureFixture[str],
    state: str,
    reason: str,
) -> None:
    left(*LEFT)
    slurm.becomes("1", state)
    with pytest.raises(UserError, match="1 experiments failed"):
        left(*LEFT)
    printed = capsys.readouterr().out.replace("\n", "")
    assert reason in printed
    assert "1_0_log.err" in printed
    assert place(left(*LEFT))["waiting"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ({}, "to be submitted again: rte s0: Slurm no longer has job 1"),
        ({"1": "NODE_FAIL"}, "to be submitted again: rte s0: Slurm job 1 ended as NODE_FAIL"),
        ({"1": "CANCELLED by 0"}, "rte s0: Slurm job 1 ended as CANCELLED"),
        ({"1": "RUNNING"}, "to be submitted again: rte s0: Slurm no longer has job 1"),
    ],
)
def test_what_slurm_has_forgotten_is_looked_up_in_its_accounts_and_submitted_again(
    left: Callable[..., str], slurm: Slurm, accounts: dict[str, str], said: str
) -> None:
    left(*LEFT)
    slurm.forgets("1")
    slurm.set(accounts=accounts)
    assert said in left(*LEFT)
    assert slurm.queue == {"2": "PENDING"}


@pytest.mark.slow
def test_what_is_finished_is_recorded_while_others_wait(
    left: Callable[..., str], slurm: Slurm, tmp_path: Path
) -> None:
    left(*LEFT, "seed=0,1")
    slurm.run("1_1")
    file = next((tmp_path / "sweep").rglob("result.json"))
    file.unlink()
    assert place(left(*LEFT, "seed=0,1")) == {
        "done": 1,
        "running": 0,
        "waiting": 1,
        "not submitted": 0,
        "failed": 0,
    }
    assert file.exists()


@pytest.mark.slow
def test_a_grown_grid_submits_only_what_is_new(left: Callable[..., str], slurm: Slurm) -> None:
    left(*LEFT, "seed=0,1")
    assert "1 jobs" in left(*LEFT, "seed=0,1,2")
    assert sorted(slurm.queue) == ["1_0", "1_1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        "hydra.sweeper.max_submit=3",
        "of the site",
        "at submission",  # where nothing says the limit
    ],
)
def test_no_more_is_submitted_than_the_user_may_have(
    left: Callable[..., str], slurm: Slurm, asked: str
) -> None:
    if asked == "of the site":
        slurm.set(submit_limit="3")
    if asked == "at submission":
        slurm.set(refuses_over=3)
    study = (*STUDY, *([asked] if "=" in asked else []))
    said = left(*study)
    taken = 2 if asked == "at submission" else 3  # Slurm takes an array or none of it
    assert len(slurm.queue) == taken
    assert f"not submitted: {4 - taken} jobs, as you may not have more" in said
    assert place(said)["not submitted"] == 4 - taken
    for job in ("1_0", "1_1"):
        slurm.becomes(job, "RUNNING")
    slurm.run("1_0")
    slurm.run("1_1")
    assert place(left(*study))["waiting"] == 2
    assert len(slurm.queue) == 2


@pytest.mark.slow
def test_the_jobs_of_others_count_for_the_limit(left: Callable[..., str], slurm: Slurm) -> None:
    slurm.set(jobs={"900": {"state": "RUNNING", "reason": "None"}}, submit_limit="2")
    left(*LEFT, "seed=0,1,2")
    assert sorted(slurm.queue) == ["1", "900"]


@pytest.mark.slow
def test_a_dry_run_says_where_it_stands_and_changes_nothing(
    left: Callable[..., str], slurm: Slurm, tmp_path: Path
) -> None:
    dry = "hydra.sweeper.dry_run=true"
    assert place(left(*STUDY, dry))["not submitted"] == 2
    assert not (tmp_path / "sweep").exists()
    left(*STUDY)
    slurm.becomes("1_0", "CANCELLED")
    before = slurm.state
    said = left(*STUDY, dry)
    assert "to be submitted again: mrpc s0" in said
    assert slurm.state == before


@pytest.mark.slow
def test_what_slurm_refuses_is_said_in_one_sentence(
    left: Callable[..., str], slurm: Slurm, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError,
        match=r"^Change hydra.launcher: Slurm refuses 1 jobs \(sbatch: error: invalid partition",
    ):
        left(*LEFT, "hydra.launcher.partition=none")
    with pytest.raises(UserError, match=r"Slurm refuses 1 jobs .*Unavailable|Unknown argument"):
        left(*LEFT, "+hydra.launcher.colour=red")
    left(*LEFT)
    slurm.set(down=True)
    with pytest.raises(UserError, match=r"Slurm does not answer .*Unable to contact"):
        left(*LEFT)
    (tmp_path / "sweep" / "slurm_jobs.json").write_text("{")
    with pytest.raises(UserError, match=r"Remove .*slurm_jobs.json: it can't be read"):
        left(*LEFT)


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_a_launcher_that_can_not_be_left_is_refused(
    make_sweeper: MakeSweeper, tmp_path: Path, launcher: str
) -> None:
    arguments = ("hydra.mode=MULTIRUN", f"hydra/launcher={launcher}", LEFT[1])
    sweeper, _, overrides = make_sweeper(*arguments)
    with pytest.raises(UserError, match=r"^Add hydra/launcher=slurm, or remove hydra.sweeper"):
        sweeper.conduct(overrides)
    assert not (tmp_path / "sweep").exists()


def test_a_limit_of_nothing_is_refused(make_sweeper: MakeSweeper) -> None:
    sweeper, _, overrides = make_sweeper(*LEFT, "hydra.sweeper.max_submit=0")
    with pytest.raises(UserError, match=r"^Change hydra.sweeper.max_submit"):
        sweeper.conduct(overrides)


@pytest.mark.slow
def test_without_slurm_it_is_said_where_to_go(
    sweep: Sweep, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="go to a login node of Slurm: there is no scontrol here"):
        sweep(*LEFT)


def test_what_no_job_could_open_is_refused_before_any_is_submitted(
    sweep: Sweep, slurm: Slurm
) -> None:
    with pytest.raises(UserError, match=r"^Change logger.bad: a logger is a mapping with its"):
        sweep(*LEFT, "+logger.bad=3")
    assert slurm.queue == {}
