import os
import signal
import sys
from io import StringIO
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, run_in_terminal
from tlbench.sweep import screen

CODE = """
import subprocess, sys
from tlbench.sweep.screen import Screen, terminal

stream = terminal(None)
assert stream is sys.stderr
print("before")
lines = lambda width, height: [f"head of {width}", "  job " + "x" * (width - 6)]
with Screen(stream, lines) as s:
    s.refresh()
    print("printed here", flush=True)
    child = r"print('\\rbar 1\\rbar 2\\rbar 3'); print('printed by a child')"
    subprocess.run([sys.executable, "-c", child])
    assert not sys.stderr.isatty()
    s.refresh()
    s.print("a job has ended")
    sys.stdout.write("no end of line")
print("after")
"""


@pytest.mark.parametrize("columns", [40, 100])
def test_whatever_is_printed_is_above_the_lines_and_nothing_of_them_stays(
    tmp_path: Path, columns: int
) -> None:
    seen: list[str] = []
    terminal, code = run_in_terminal(
        [sys.executable, "-c", CODE], tmp_path, columns, look=lambda t, _: seen.append(t.text)
    )
    assert code == 0, terminal.text
    lines = terminal.text.splitlines()
    assert lines[0] == "before"
    assert sorted(lines[1:-1]) == sorted(
        ["printed here", "bar 3", "printed by a child", "a job has ended", "no end of line"]
    )
    assert lines[-1] == "after"
    assert terminal.has_cursor
    # While it ran they were the last two lines, and never twice.
    shown = [text for text in seen if f"head of {columns - 1}" in text]
    assert shown
    assert all(text.count("head of") == 1 for text in seen if "head of" in text)


class Stream(StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("asked", "err", "out", "term", "chosen"),
    [
        (None, True, True, "xterm", "err"),
        (None, False, True, "xterm", "out"),
        (None, True, False, "xterm", "err"),
        (None, False, False, "xterm", None),
        (None, True, True, "dumb", None),
        (False, True, True, "xterm", None),
        (True, True, True, "xterm", "err"),
        (True, False, False, "xterm", "err"),
        (True, True, True, "dumb", None),
    ],
)
def test_where_lines_can_stay(
    asked: bool | None,
    err: bool,
    out: bool,
    term: str,
    chosen: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streams = {"err": Stream(err), "out": Stream(out)}
    monkeypatch.setattr(sys, "stderr", streams["err"])
    monkeypatch.setattr(sys, "stdout", streams["out"])
    monkeypatch.setenv("TERM", term)
    assert screen.terminal(asked) is (streams[chosen] if chosen else None)


SWEEP = ("-m", "tlbench", "-m", "debug=fast", "strategy=single,stilts", "support_task=mrpc")
PARALLEL = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1")


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "columns"), [((), 40), (PARALLEL, 100)])
def test_a_sweep_leaves_a_line_for_each_job_and_no_bars(
    tmp_path: Path, launcher: tuple[str, ...], columns: int
) -> None:
    heads: set[str] = set()

    def look(terminal: Terminal, _: int) -> None:
        heads.update(line for line in terminal.lines if " stages, " in line and "left" in line)

    command = [sys.executable, *SWEEP, *launcher]
    terminal, code = run_in_terminal(command, tmp_path, columns, look=look)
    assert code == 0, terminal.text
    jobs = 6 if launcher else 3
    assert any(head.startswith(f"0 of {jobs} stages, ? left") for head in heads)
    text = terminal.text.replace("\n", " ")
    assert text.count("stilts rte<-mrpc s") == text.count("single rte s") == jobs // 3
    for word in ("it/s", "%|", "left", "Generating", "step "):
        assert word not in text
    assert terminal.has_cursor


@pytest.mark.slow
def test_ctrl_c_leaves_a_terminal_as_it_was(tmp_path: Path) -> None:
    told: list[int] = []

    def look(terminal: Terminal, pid: int) -> None:
        if not told and "training, step" in terminal.text:
            told.append(pid)
            os.killpg(pid, signal.SIGINT)

    long = ("trainer.max_steps=100000", "trainer.max_epochs=100000", "eval_every=100000")
    listening = "import signal,os,sys; signal.signal(2, signal.default_int_handler); "
    listening += "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    command = [sys.executable, "-c", listening, *SWEEP, *PARALLEL, *long]
    terminal, code = run_in_terminal(command, tmp_path, look=look)
    assert code == 130, terminal.text
    assert "training, step" not in terminal.text
    assert "Told to stop: 2 workers save where they are" in terminal.text
    assert terminal.text.endswith("Interrupted; the same command again does what is missing.")
    assert terminal.has_cursor


@pytest.mark.slow
def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    terminal, code = run_in_terminal([sys.executable, *SWEEP], tmp_path, TERM="dumb")
    assert code == 0
    assert "3 of 3, 0:00 left: stilts rte<-mrpc s0 " in terminal.text
