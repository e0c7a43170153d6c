import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tlbench.store import CHECKPOINT, Store
from tlbench.sweep.stop import workers_save_first

SWEEP = (
    sys.executable, "-m", "tlbench", "-m", "debug=fast", "seed=0,1,2", "trainer.max_steps=600",
    "trainer.max_epochs=150", "eval_every=5", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
)  # fmt: skip


def test_a_sweep_that_is_killed_saves_the_stages_of_its_workers(tmp_path: Path) -> None:
    """Its workers end with it, and the same command goes on where they were."""
    running = subprocess.Popen(
        SWEEP, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert running.stdout is not None
    waits_for = {"rte s0: step 20/", "rte s1: step 20/"}
    for line in running.stdout:
        waits_for -= {words for words in waits_for if words in line}
        if not waits_for:
            running.send_signal(signal.SIGTERM)
            break
    said = running.stdout.read()
    assert running.wait(timeout=60) == 143
    assert "Told to stop: 2 jobs save where they are." in said
    ps = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True)
    alive = [group for group, state in map(str.split, ps.stdout.splitlines()) if state[0] != "Z"]
    assert str(running.pid) not in alive
    store = Store(tmp_path / "multirun/.store")
    assert len(list(store.work.glob(f"*/{CHECKPOINT}"))) == 2


def test_without_workers_an_interrupt_is_one_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), workers_save_first([store]):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(SystemExit, match="143"), workers_save_first([store]):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_trains_in_this_process_answers_by_itself(tmp_path: Path) -> None:
    """Lightning puts its handler before the one that it finds, and calls both."""
    heard = []
    with workers_save_first([Store(tmp_path)]):
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        signal.signal(signal.SIGTERM, lambda *args: (heard.append(1), ours(*args)))
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == [1]
