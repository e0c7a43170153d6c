"""How a finding is shown."""

from pathlib import Path

import pytest

from tlbench.doctor.finding import Finding, gigabytes, shown


def test_a_line_says_level_thing_what_was_found_and_what_to_set() -> None:
    line = Finding("note", "threads", "torch takes 8", "Set trainer.threads=4.").line()
    assert line == "note     threads:        torch takes 8. Set trainer.threads=4."


def test_without_advice_it_ends_there() -> None:
    assert Finding("ok", "shared memory", "24 GB").line() == "ok       shared memory:  24 GB."


def test_what_is_longer_than_100_columns_goes_on_below_its_beginning() -> None:
    lines = Finding("problem", "disk", "word " * 40 + "end").line().splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith(" " * 25 + "word") for line in lines[1:])


def test_an_override_is_never_broken() -> None:
    override = "hydra.launcher.partition=" + "p" * 90
    assert f" {override}\n" in Finding("ok", "slurm", "a", f"Set {override} now.").line()


def test_bytes_are_shown_in_units_of_ten_to_the_nine() -> None:
    assert gigabytes(2.54e9) == "2.5 GB"


def test_a_path_does_not_say_whose_home_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert shown(Path("/home/me/study/store")) == "~/study/store"
    assert shown(Path("/home/meter/store")) == "/home/meter/store"
    assert shown(Path("multirun/.store")) == "multirun/.store"
