import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlbench.jobs.signals import Told, answered, end_if_told, job_of_worker
from tlbench.store.store import CHECKPOINT, Store

pytestmark = pytest.mark.slow

# Whoever runs the tests may ignore Ctrl-C, as jobs in a shell's background do. Popen's preexec_fn
# could change that too, but may wait for ever where the process that forks has threads.
LISTENING = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
SWEEP = (
    sys.executable,
    "-c",
    LISTENING,
    "-m",
    "tlbench",
    "-m",
    "debug=fast",
    "seed=0,1,2",
    "trainer.max_steps=600",
    "trainer.max_epochs=150",
    "eval_every=5",
    "strategy.plan=loading.slowly",
    "hydra/launcher=joblib",
    "hydra.launcher.n_jobs=2",
    "hydra.verbose=[tlbench]",  # what the jobs log is on the screen too
)
LOADING = """
import os, signal, time
from pathlib import Path
from tlbench.plan.strategies import single

def slowly(experiment):
    planned = list(Path("multirun").rglob("multirun.yaml"))  # or this is the planning
    if experiment.config.seed == 1 and planned:
        print("seed 1 loads", flush=True)
        {loading}
    return single(experiment)
"""


def alive(group: int) -> bool:
    ps = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True)
    states = [line.split() for line in ps.stdout.splitlines()]
    return any(found == str(group) and state[0] != "Z" for found, state in states)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_told_to_stop_saves_the_stages_of_its_workers(
    tmp_path: Path, number: signal.Signals
) -> None:
    """One trains, one still loads, one job waits; all end, and what was trained is saved."""
    (tmp_path / "loading.py").write_text(LOADING.format(loading="time.sleep(60)"))
    running = subprocess.Popen(
        SWEEP,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    waits_for = {"rte s0: step 20/", "seed 1 loads"}
    for line in running.stdout:
        waits_for -= {words for words in waits_for if words in line}
        if not waits_for:
            if number == signal.SIGINT:
                os.killpg(running.pid, number)  # as a terminal does
            else:
                running.send_signal(number)
            break
    said = running.stdout.read()
    assert running.wait(timeout=60) == (143 if number == signal.SIGTERM else 130)
    assert "Told to stop: 2 workers save where they are" in said
    assert "s2: training" not in said
    assert said.count("The job was told to stop") == 2
    until = time.monotonic() + 20
    while alive(running.pid):  # joblib's and Python's trackers end a moment after
        assert time.monotonic() < until
        time.sleep(0.1)
    assert len(list(Store(tmp_path / "multirun/.store").work.glob(f"*/{CHECKPOINT}"))) == 1
    assert not list(tmp_path.rglob("result.json"))


def test_a_sweep_that_is_told_to_stop_while_its_job_loads_ends(tmp_path: Path) -> None:
    """Without workers: it is no failure, and the next job does not begin."""
    kill = "os.kill(os.getpid(), signal.SIGTERM)"
    (tmp_path / "loading.py").write_text(LOADING.format(loading=kill))
    sweep = [word for word in SWEEP if "launcher" not in word and "seed=" not in word]
    ran = subprocess.run([*sweep, "seed=1,2"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 143
    assert "The job was told to stop" in ran.stderr
    assert "training" not in ran.stdout + ran.stderr
    assert not list(tmp_path.rglob("result.json"))


@pytest.fixture
def _listening() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_listening")
def test_without_workers_an_interrupt_is_one_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), answered():
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Told, match="143"), answered():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_trains_in_this_process_answers_by_itself() -> None:
    """Lightning puts its handler before the one that it finds, and calls both."""
    heard = []
    with answered():
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        signal.signal(signal.SIGTERM, lambda *args: (heard.append(1), ours(*args)))
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [1]
        with pytest.raises(Told):
            end_if_told()


def test_what_is_ignored_stays_ignored() -> None:
    """A shell that starts a job in the background has it ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with answered():
            os.kill(os.getpid(), signal.SIGINT)
            end_if_told()
    finally:
        signal.signal(signal.SIGINT, before)


def begins(answer: "multiprocessing.Queue[bool]") -> None:
    with job_of_worker() as may_begin:
        answer.put(may_begin)


def test_a_worker_that_a_pool_starts_after_the_signal_begins_nothing() -> None:
    """joblib puts a new worker in the place of one that has grown."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    at_work = context.Process(target=time.sleep, args=(60,), name="LokyProcess-1")
    at_work.start()
    with answered():
        os.kill(os.getpid(), signal.SIGTERM)
        at_work.join(timeout=20)
        assert at_work.exitcode == -signal.SIGTERM
        context.Process(target=begins, args=(found,), name="LokyProcess-2").start()
        assert found.get(timeout=20) is False
        with pytest.raises(Told):
            end_if_told()
    context.Process(target=begins, args=(found,), name="LokyProcess-3").start()
    assert found.get(timeout=20) is True
