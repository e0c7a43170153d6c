"""What the commands beside ``tlbench`` share."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from tlbench.cli import affinity, doctor, export, predict, report, rerun, store

PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "tlbench-affinity": affinity.parser,
    "tlbench-doctor": doctor.parser,
    "tlbench-export": export.parser,
    "tlbench-predict": predict.parser,
    "tlbench-report": report.parser,
    "tlbench-rerun": rerun.parser,
    "tlbench-store": store.parser,
}


@pytest.mark.parametrize("name", PARSERS)
def test_the_version_is_tlbenchs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        PARSERS[name]().parse_args(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("tlbench ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("name", PARSERS)
def test_a_shell_is_told_the_options(
    name: str, shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        PARSERS[name]().parse_args(["--print-completion", shell])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    assert name in script
    assert "version" in script


@pytest.mark.parametrize(
    ("name", "words", "path"),
    [
        ("tlbench-doctor", ["--store=~/b"], "store"),
        ("tlbench-report", ["~/a", "--out=~/b"], "out"),
        ("tlbench-report", ["~/a", "--pack=~/b"], "pack"),
        ("tlbench-export", ["~/a", "--out=~/b"], "out"),
        ("tlbench-predict", ["~/a", "~/b"], "file"),
        ("tlbench-predict", ["~/a", "-", "--glue=~/b"], "glue"),
        ("tlbench-rerun", ["~/b"], "record"),
        ("tlbench-store", ["--store=~/b", "ls"], "store"),
        ("tlbench-store", ["verify", "--cache=~/b"], "cache"),
        ("tlbench-store", ["verify", "--records=~/b"], "records"),
    ],
)
def test_a_path_may_begin_with_the_home(
    name: str, words: list[str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert getattr(PARSERS[name]().parse_args(words), path) == Path("/home/me/b")


def test_a_home_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        store.parser().parse_args(["--store=~no-one-here/x", "ls"])
    assert "argument --store: Change the path: there is no home folder '~no-one-here'" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "main",
    [doctor.main, export.main, predict.main, report.main, rerun.main, store.main],
)
def test_a_working_folder_that_is_gone(
    main: Callable[[list[str]], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = {
        doctor.main: [],
        export.main: ["x", "--out", "y"],
        predict.main: ["x", "y"],
        store.main: ["ls"],
    }
    (tmp_path / "gone").mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert main(words.get(main, ["x"])) == 1
    assert capsys.readouterr().err.startswith("Change into another folder: the present one can't")
