"""``tlbench-doctor``: lines or JSON, and its exit code."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tlbench.cli import doctor
from tlbench.doctor import examine
from tlbench.doctor.finding import Finding

Asked = tuple[Path, Path, bool]
OK, NOTE = Finding("ok", "python", "3.11"), Finding("note", "hub", "offline", "Unset it.")
PROBLEM = Finding("problem", "store disk", "full", "Make room.")


@pytest.fixture
def finding(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Asked]]:
    """Have these things be found; what is asked for."""

    def find(*findings: Finding) -> list[Asked]:
        asked: list[Asked] = []

        def found(*arguments: Path | bool) -> Iterator[Finding]:
            asked.append(arguments)  # type: ignore[arg-type]
            yield from findings

        monkeypatch.setattr(examine, "examine", found)
        return asked

    return find


def test_a_line_for_each_and_exit_code_0_with_notes(
    finding: Callable[..., list[Asked]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = finding(OK, NOTE)
    assert doctor.main([]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [OK.line(), NOTE.line()]
    assert err == ""
    assert asked == [(Path("multirun/.store"), Path("multirun"), True)]


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (1, "Mend the problem that the lines above name."),
        (2, "Mend the 2 problems that the lines above name."),
    ],
)
def test_a_problem_is_exit_code_1_and_one_sentence(
    count: int,
    sentence: str,
    finding: Callable[..., list[Asked]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding(OK, *[PROBLEM] * count)
    assert doctor.main([]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 + count
    assert err == f"{sentence}\n"


def test_json_is_an_object_a_line(
    finding: Callable[..., list[Asked]], capsys: pytest.CaptureFixture[str]
) -> None:
    finding(NOTE, PROBLEM)
    assert doctor.main(["--json"]) == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"level": "note", "what": "hub", "found": "offline", "advice": "Unset it."}
    assert second["level"] == "problem"


def test_the_folders_and_the_measurement_can_be_chosen(
    finding: Callable[..., list[Asked]],
) -> None:
    asked = finding()
    assert doctor.main(["--store", "/a", "--out", "/b", "--no-measure"]) == 0
    assert asked == [(Path("/a"), Path("/b"), False)]


@pytest.mark.slow
def test_a_whole_run_leaves_nothing(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    ran = command("--json", module="tlbench.cli.doctor")
    assert ran.returncode in (0, 1), ran.stderr
    found = {line["what"]: line for line in map(json.loads, ran.stdout.splitlines())}
    assert " rounds; " in found["precision"]["found"]
    assert list(tmp_path.iterdir()) == []
