from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tlbench.config.identity import unresolved
from tlbench.config.validation import parse_config
from tlbench.jobs.followed import Report
from tlbench.progress import Progress
from tlbench.sweep.board import Board, clipped, fitted
from tlbench.sweep.compose import Combination
from tlbench.sweep.plan import SweepJob, make_plan

PAIR = ("target_task=rte", "support_task=mrpc")


@pytest.fixture
def waves(compose: Compose, tmp_path: Path) -> list[list[SweepJob]]:
    """Two stages alone, of which one is no experiment; then one that needs that."""
    combinations = []
    for strategy in ("single", "stilts"):
        cfg = compose(*PAIR, f"strategy={strategy}")
        overrides = (*PAIR, f"strategy={strategy}")
        combinations.append(Combination(overrides, unresolved(cfg), parse_config(cfg)))
    return make_plan(combinations, tmp_path / "sweep").waves


@pytest.fixture
def board(waves: list[list[SweepJob]]) -> Board:
    return Board.of(waves)


def said(phase: str, step: int | None = None, seconds: float = 0.0) -> Report:
    steps = None if step is None else 10
    return Report(
        Progress(phase, "step", step, steps, "rte 61.2" if step else None), seconds, False
    )


def job(board: Board, title: str) -> SweepJob:
    return next(row.job for row in board.rows if row.title == title)


def test_before_anything_has_run_the_time_is_not_known(board: Board) -> None:
    assert [[row.title for row in wave] for wave in board.waves] == [
        ["single rte s0", "stage mrpc s0"],
        ["stilts rte<-mrpc s0"],
    ]
    assert board.lines(0, 80, 10) == ["0 of 3 stages, ? left", "  no job runs"]
    assert board.running_line(0) == "0 of 3, ? left: no job runs"


def test_jobs_that_run_have_a_line_each(board: Board) -> None:
    board.hear(job(board, "single rte s0"), said("training", 4), now=10)
    board.hear(job(board, "stage mrpc s0"), said("reading mrpc train"), now=10)
    assert board.lines(10, 80, 10) == [
        "0 of 3 stages, ? left",
        "  single rte s0  training, step 4 of 10, rte 61.2",
        "  stage mrpc s0  reading mrpc train",
    ]
    assert board.running_line(10) == (
        "0 of 3, ? left: single rte s0 (training, step 4 of 10, rte 61.2); "
        "stage mrpc s0 (reading mrpc train)"
    )
    assert board.lines(10, 80, 2)[1:] == ["  and 2 more"]
    assert [len(line) for line in board.lines(10, 30, 10)] == [21, 30, 30]


def test_a_job_of_which_nothing_is_heard_is_said_to_be_silent(board: Board) -> None:
    board.hear(job(board, "single rte s0"), said("loading"), now=10)
    assert board.lines(70, 80, 10)[1] == "  single rte s0  loading"
    assert board.lines(140, 80, 10)[1] == "  single rte s0  loading, no sign for 2:10"


def test_what_has_ended_tells_how_long_the_rest_takes(board: Board) -> None:
    single = job(board, "single rte s0")
    board.hear(single, said("training", 10, seconds=31), now=31)
    row = board.end(single, "61.2", has_failed=False)
    # The three have the same rows to train and to evaluate, and one runs at a time.
    assert board.ended_line(row) == "1 of 3, 1:02 left: single rte s0 61.2 in 0:31"
    board.hear(job(board, "stage mrpc s0"), said("training", 5), now=40)
    assert board.head() == "1 of 3 stages, 0:46 left"


def test_a_job_that_runs_tells_it_too_once_it_has_done_enough(board: Board) -> None:
    single = job(board, "single rte s0")
    board.hear(single, said("training", 2, seconds=30), now=0)  # it goes on from a checkpoint
    assert board.seconds_left() is None
    board.hear(single, said("training", 4, seconds=50), now=20)
    assert board.seconds_left() == pytest.approx(60 + 100 + 100)  # a fifth of it in 20 seconds
    board.hear(single, said("training", 10, seconds=110), now=80)
    board.end(single, "61.2", has_failed=False)
    stage = job(board, "stage mrpc s0")
    board.hear(stage, said("loading", seconds=4), now=84)
    board.hear(stage, said("training", 1, seconds=10), now=90)
    # This one says how long a job loads: those of a pool that come first load for longer.
    assert board.seconds_left() == pytest.approx(90 + 110)


def test_what_needs_a_stage_that_has_failed_is_not_waited_for(board: Board) -> None:
    stage, single = job(board, "stage mrpc s0"), job(board, "single rte s0")
    board.hear(stage, said("training", 1, seconds=5), now=5)
    row = board.end(stage, "failed: no memory", has_failed=True)
    board.lose([stage])
    assert board.ended_line(row) == "0 of 3, ? left: stage mrpc s0 failed: no memory"
    board.hear(single, said("training", 10, seconds=30), now=35)
    board.end(single, "61.2", has_failed=False)
    assert board.head() == "1 of 3 stages, 1 failed, 0:00 left"


def test_jobs_of_one_title_are_told_by_what_differs(compose: Compose, tmp_path: Path) -> None:
    combinations = []
    for lr in ("1e-3", "1e-2"):
        overrides = ("seed=0", f"optim.lr={lr}")
        cfg = compose(*overrides)
        combinations.append(Combination(overrides, unresolved(cfg), parse_config(cfg)))
    board = Board.of(make_plan(combinations, tmp_path / "sweep").waves)
    assert [row.title for row in board.rows] == [
        "single rte s0 (optim.lr=1e-3)",
        "single rte s0 (optim.lr=1e-2)",
    ]


def test_texts_are_cut_to_the_columns_of_the_terminal() -> None:
    assert clipped("training", 8) == "training"
    assert clipped("training", 7) == "trai..."
    assert clipped("训练训练", 6) == "训 ..."  # characters of two columns
    assert clipped("training", 2) == ".."
    assert fitted("rte", 5) == "rte  "
