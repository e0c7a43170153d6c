"""What was written before a kill is read again, whole tries alone."""

from pathlib import Path

import pytest

from tlbench.store.work import to_go_on_from
from tlbench.synthesis.tries import Answer, Tries, Try

ANSWERS = (Answer("é\n\u2028 x", ("é", "x")), Answer("", (), "not the form of a row"))
WRITTEN = [Try(0, 0, ANSWERS, 7, 0.25), Try(1, 0, ANSWERS[:1], 3, 0.5)]


def saved(folder: Path) -> Tries:
    tries = Tries(folder)
    for one in WRITTEN:
        tries.add(one)
    return tries


def test_tries_are_read_as_they_were(tmp_path: Path) -> None:
    tries = saved(tmp_path)
    assert tries.read() == WRITTEN == Tries(tmp_path).read()
    assert to_go_on_from(tmp_path) == tries.file
    tries.remove()
    assert to_go_on_from(tmp_path) is None


@pytest.mark.parametrize("left", [1, 40, -1])
def test_half_a_line_is_dropped_and_written_again(tmp_path: Path, left: int) -> None:
    tries = saved(tmp_path)
    first, second = tries.file.read_bytes().splitlines(keepends=True)
    tries.file.write_bytes(first + second[:left])
    again = Tries(tmp_path)
    assert again.read() == WRITTEN[:1]
    again.add(WRITTEN[1])
    assert again.read() == WRITTEN


def test_a_line_that_has_changed_is_dropped_with_those_after_it(tmp_path: Path) -> None:
    tries = saved(tmp_path)
    tries.file.write_bytes(tries.file.read_bytes().replace(b'"tokens": 7', b'"tokens": 8'))
    assert tries.read() == []
    assert tries.file.read_bytes() == b""
