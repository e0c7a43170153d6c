import pytest

from tlbench.plan.estimate import Work
from tlbench.sweep.time_left import Done, clock, expected_seconds, seconds_left, speeds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "?"),
        (0, "0:00"),
        (31.4, "0:31"),
        (100, "1:40"),
        (3599.6, "1:00:00"),
        (7500, "2:05:00"),
    ],
)
def test_clock(seconds: float | None, said: str) -> None:
    assert clock(seconds) == said


def test_speed_is_of_each_encoder_and_of_what_was_done_last() -> None:
    slow, fast = Done("tiny", 10, 100), Done("tiny", 10, 10)
    assert speeds([]) == {}
    assert speeds([slow, fast, Done("base", 6, 3), Done("none", 0, 1)]) == {
        "tiny": 20 / 110,
        "base": 2,
    }
    assert speeds([slow] + [fast] * 8) == {"tiny": 1}


def test_what_is_known_best_tells_how_long_work_takes() -> None:
    work = Work(100, "tiny", "store")
    assert expected_seconds(work, {"tiny": 2}, {"tiny": 4}, 10) == 50
    assert expected_seconds(work, {"base": 2}, {"tiny": 4}, 10) == 25
    assert expected_seconds(work, {}, {}, 10) == 10
    assert expected_seconds(work, {}, {}, None) is None


@pytest.mark.parametrize(
    ("waves", "at_once", "seconds"),
    [
        ([], 2, 0),
        ([[3, 2, 1]], 1, 6),
        ([[3, 2, 1]], 2, 3),
        ([[3, 2, 2]], 2, 4),
        ([[3, 1], [4]], 2, 7),  # a wave begins when all of the one before are done
        ([[5]], 8, 5),
    ],
)
def test_workers_take_the_next_job_when_one_ends(
    waves: list[list[float]], at_once: int, seconds: float
) -> None:
    assert seconds_left(waves, at_once) == seconds
