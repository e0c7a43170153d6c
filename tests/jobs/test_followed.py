import json
import signal
import time
from pathlib import Path

import pytest

from tlbench import progress
from tlbench.jobs import followed as followed_module
from tlbench.jobs.followed import ProgressFolder, followed, read_report
from tlbench.progress import Progress


@pytest.fixture
def folder(tmp_path: Path) -> ProgressFolder:
    folder = ProgressFolder(tmp_path)
    folder.open()
    return folder


def until(is_so: object) -> None:
    end = time.monotonic() + 20
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_job_leaves_what_it_does_and_at_the_end_that_it_has_ended(
    folder: ProgressFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_module, "INTERVAL", 0.01)
    job = folder.sweep / "stages" / "ab12"
    file = folder.path / "stages+ab12.json"
    assert folder.file(job) == file
    with followed(folder.sweep, job) as follower:
        assert follower is not None
        assert follower.may_begin
        progress.note(phase="training", step=3, steps=9)
        until(lambda: (r := read_report(file)) and r.progress == Progress("training", "step", 3, 9))
        assert progress.is_followed()
        assert not read_report(file).has_ended  # type: ignore[union-attr]
    assert read_report(file).has_ended  # type: ignore[union-attr]
    assert not progress.is_followed()
    assert [one.name for one in folder.path.iterdir()] == [file.name]


def test_a_jobs_file_is_written_once_a_second_however_much_happens(
    folder: ProgressFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Over:
        """In place of an event: nobody waits, and the job is over after five looks."""

        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            progress.note(step=len(waits))
            progress.note(step=1000 + len(waits))
            return len(waits) > 5

    follower = followed_module.Follower(folder, folder.sweep / "job")
    written: list[int | None] = []
    monkeypatch.setattr(follower, "_over", Over())
    monkeypatch.setattr(follower, "_write", lambda: written.append(progress.now().step))
    follower.run()
    assert waits == [1.0] * 6
    assert written[1:] == [1001, 1002, 1003, 1004, 1005]


def test_a_folder_that_is_closed_lets_no_job_begin(folder: ProgressFolder) -> None:
    folder.close()
    with followed(folder.sweep, folder.sweep / "job") as follower:
        assert follower is not None
        assert not follower.may_begin
    assert not folder.file(folder.sweep / "job").exists()
    folder.open()
    assert not folder.is_closed


def test_where_no_sweep_follows_its_jobs_nothing_is_left(tmp_path: Path) -> None:
    for sweep in (None, tmp_path):
        with followed(sweep, tmp_path / "job") as follower:
            assert follower is None
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_loads_is_told_to_stop_and_once_more_when_it_trains(
    folder: ProgressFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_module, "INTERVAL", 0.01)
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    try:
        with followed(folder.sweep, folder.sweep / "job") as follower:
            assert follower is not None
            folder.close(stop=True)
            until(lambda: len(told) == 1)
            progress.note(phase="training")
            until(lambda: len(told) == 2)
            progress.note(phase="scoring")
            written = follower._written_at
            until(lambda: follower._written_at > written)
        assert told == [signal.SIGTERM] * 2
        assert follower.has_stopped
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_sweeps_folder_that_is_removed_ends_no_job(folder: ProgressFolder) -> None:
    with followed(folder.sweep, folder.sweep / "job"):
        until(lambda: list(folder.path.glob("*.json")))
        for file in folder.path.iterdir():
            file.unlink()
        folder.path.rmdir()
    assert not folder.path.exists()


def test_a_report_of_half_a_file_is_never_read(folder: ProgressFolder) -> None:
    """Files are replaced as a whole; a missing one is no report."""
    assert read_report(folder.path / "no.json") is None
    said = {"progress": {"phase": "training"}, "seconds": 1.0, "has_ended": False}
    (folder.path / "job.json").write_text(json.dumps(said))
    report = read_report(folder.path / "job.json")
    assert report is not None
    assert report.progress == Progress("training")
