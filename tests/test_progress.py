import logging
from collections.abc import Iterator

import pytest

from tlbench import progress
from tlbench.progress import Progress, at, begin, counted, doing, note, now


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    begin(is_followed=False)
    yield
    begin(is_followed=False)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (Progress(), "starting"),
        (Progress("reading mnli train", "row", 12_000), "reading mnli train, row 12,000"),
        (Progress("training", "step", 12, 141), "training, step 12 of 141"),
        (Progress("scoring", "step", 141, 141, "rte 61.2"), "scoring, step 141 of 141, rte 61.2"),
    ],
)
def test_what_is_done_is_said_in_a_line(said: Progress, line: str) -> None:
    assert said.line == line


def test_after_a_block_the_work_is_what_it_was() -> None:
    note(phase="training", step=3, steps=9, score="rte 50.0")
    with doing("reading rte train", "row", 800):
        at(7)
        assert now() == Progress("reading rte train", "row", 7, 800, "rte 50.0")
    assert now() == Progress("training", "step", 3, 9, "rte 50.0")


def test_items_are_counted_as_they_are_yielded() -> None:
    with doing("reading rte train", "row"):
        assert [now().step for _ in counted("abc")] == [1, 2, 3]


def test_what_takes_long_is_said_in_lines_where_nobody_shows_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    seconds = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    with doing("reading mnli train", "row"):
        for row in range(1, 131):
            seconds[0] = float(row)
            at(row)
    assert caplog.messages == [f"  reading mnli train, row {row}" for row in (5, 65, 125)]
    caplog.clear()
    begin(is_followed=True)
    with doing("reading mnli train", "row"):
        seconds[0] += 100
        at(1)
    assert caplog.messages == []
