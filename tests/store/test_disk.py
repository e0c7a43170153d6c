"""Disks that are full, folders that are read-only: one sentence, and nothing finished is lost."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.experiments import Compose, Run
from tlbench.errors import UserError
from tlbench.jobs.job import run_experiment
from tlbench.records.record import read_record
from tlbench.store import disk
from tlbench.store.disk import why_not_written, writing
from tlbench.store.store import Store

Command = Callable[..., subprocess.CompletedProcess[str]]
FULL = "No space left on device"


def test_the_setting_is_named() -> None:
    error = OSError(errno.ENOSPC, "in a library's words")
    with pytest.raises(UserError) as raised, writing("store_dir", "there"):
        raise error
    assert str(raised.value).startswith(
        f"Make room or change store_dir: there can't be written ({FULL})"
    )


def test_a_library_may_hide_the_cause() -> None:
    class SafetensorError(Exception):
        """Its own is not an OSError either."""

    assert why_not_written(SafetensorError(f"I/O error: {FULL} (os error 28)")) == FULL
    hidden = RuntimeError("writing failed")
    hidden.__cause__ = PermissionError(errno.EACCES, "denied", "there/file")
    assert why_not_written(hidden) == "Permission denied: there/file"


def test_other_errors_stay_what_they_are() -> None:
    for error in (
        FileNotFoundError(errno.ENOENT, "gone"),
        ValueError("os error 28"),
        UserError("no"),
    ):
        with pytest.raises(type(error)), writing("store_dir", "there"):
            raise error


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can't be mounted: only root may")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill a disk up to so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", 0) as file:
        while file.write(bytes(os.statvfs(disk).f_bavail * 4096 or 1)):
            if not os.statvfs(disk).f_bavail:
                break
    os.truncate(filler, filler.stat().st_size - leave)
    return filler


def assert_one_sentence(ran: subprocess.CompletedProcess[str], setting: str) -> None:
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr + ran.stdout
    assert "Logging error" not in ran.stderr
    (sentence,) = {line for line in ran.stderr.splitlines() if "hange " in line}
    assert setting in sentence
    assert FULL in sentence


@pytest.mark.slow
def test_a_store_on_a_full_disk(small_disk: Path, run: Run, command: Command, cache: Path) -> None:
    """First there is not enough room for a stage's weights, then none at all."""
    places = (f"store_dir={small_disk / 'store'}", f"cache_dir={cache}")
    run("target_task=mnli", *places)
    chain = ("strategy=stilts", "support_task=mnli", "keep_weights=all", *places)
    filler = fill(small_disk, leave=64_000)
    assert_one_sentence(command("debug=fast", *chain), "hange store_dir: ")
    filler.unlink()
    filler = fill(small_disk)
    with pytest.raises(UserError, match=f"^Change store_dir: .*{FULL}"):
        run(*chain)
    filler.unlink()
    store = Store(small_disk / "store")
    (first,) = store.finished()
    assert store.damage(first) == []
    record = run(*chain)
    assert record.status == "done"
    assert record.instances_reused == record.instances / 2


def test_a_cache_on_a_full_disk(small_disk: Path, compose: Compose, tmp_path: Path) -> None:
    filler = fill(small_disk, leave=20_000)
    cfg = compose(f"cache_dir={small_disk / 'cache'}")
    with pytest.raises(UserError, match=f"change cache_dir: .* can't be written .{FULL}"):
        run_experiment(cfg, tmp_path / "job", in_sweep=False)
    filler.unlink()
    run_experiment(cfg, tmp_path / "job", in_sweep=False)


@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, 24_000])
def test_records_on_a_full_disk(
    small_disk: Path, command: Command, cache: Path, tmp_path: Path, leave: int
) -> None:
    """No room for Hydra's own files, or none for the record in the end."""
    fill(small_disk, leave)
    places = (f"hydra.run.dir={small_disk / 'job'}", f"cache_dir={cache}", "store_dir=store")
    if leave:  # what Hydra writes has room
        (small_disk / "job").mkdir()
    ran = command("debug=fast", *places)
    assert_one_sentence(ran, "hange hydra.run.dir: ")
    assert len(Store(tmp_path / "store").finished()) == (1 if leave else 0)
    assert list(small_disk.glob("job/*result*")) == []


def mere_owner(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python so that permissions bind it, which those of root otherwise do not."""
    able = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root is bound by no permissions, and there is no setpriv to change that")
    return subprocess.run(
        [*(able if os.geteuid() == 0 else []), sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
        stdin=subprocess.DEVNULL,
    )


def test_a_stage_without_read_permission_is_named_and_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with store.claim("0" * 16) as claim, store.work_folder("0" * 16, claim) as work:
        (work / "weights" / "rte").mkdir(parents=True)
        (work / "weights" / "rte" / "model.safetensors").write_text("x")
        store.commit("0" * 16, work, {"weights": ["rte"]}, claim)
    look = (
        "from tlbench.store.store import Store\nfrom tlbench.errors import UserError\n"
        "try:\n    store = Store('store')\n    print(store.damage('0' * 16))\n"
        "    print(bool(store.find('0' * 16)))\nexcept UserError as error:\n    print(error)"
    )
    (store.weights("0" * 16, "rte") / "model.safetensors").chmod(0)
    printed = mere_owner("-c", look, cwd=tmp_path).stdout
    assert (
        printed == "['weights/rte/model.safetensors can\\'t be read (Permission denied)']\nTrue\n"
        or (
            printed
            == '["weights/rte/model.safetensors can\'t be read (Permission denied)"]\nTrue\n'
        )
    )
    (store.folder("0" * 16) / "stage.json").chmod(0)
    printed = mere_owner("-c", look, cwd=tmp_path).stdout
    assert "Change the permissions of store/0000000000000000/stage.json, or store_dir: " in printed
    assert store.finished() == ["0" * 16]
    store.root.chmod(0)
    printed = mere_owner("-c", f"{look.replace('damage(', 'finished() or (')}", cwd=tmp_path).stdout
    assert (
        printed == "Change the permissions of store, or store_dir: it can't be read (Permission "
        "denied).\n"
    )
    store.root.chmod(0o755)


@pytest.mark.slow
def test_a_read_only_store_is_read(tmp_path: Path, cache: Path) -> None:
    """By a run that needs nothing new, a dry run and the store's own command."""
    places = ("debug=fast", "store_dir=store", f"cache_dir={cache}", "logger=none")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return mere_owner("-m", *arguments, cwd=tmp_path)

    def states() -> list[str]:
        files = tmp_path.glob("multirun/*/*/result.json")
        return sorted(read_record(file).status for file in files)

    assert run("tlbench", *places, "strategy=stilts", "support_task=mnli").returncode == 0
    for path in (tmp_path / "store", *(tmp_path / "store").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    for arguments, expected in [
        (("tlbench", *places, "target_task=mnli"), "is in the store"),
        (("tlbench", "-m", *places, "target_task=mnli", "study=again"), "0 to train"),
        (("tlbench", *places, "target_task=rte", "hydra.sweeper.dry_run=true"), "to train"),
        (("tlbench.cli.store", "--store", "store", "ls"), "rte<-mnli"),
        (("tlbench.cli.store", "--store", "store", "verify"), "2 stages, 0 damaged"),
        (("tlbench.cli.store", "--store", "store", "prune", "--dry-run"), ""),
    ]:
        ran = run(*arguments)
        assert ran.returncode == 0, ran.stderr
        assert expected in ran.stdout + ran.stderr
    assert states() == ["done"] * 3
    refusal = "Change store_dir: store can't be written (Permission denied)."
    for arguments in (("target_task=sst2",), ("-m", "target_task=sst2")):
        ran = run("tlbench", *arguments, *places)
        assert ran.returncode == 1
        assert ran.stderr.count(refusal) == 1
        assert "Traceback" not in ran.stderr
    ran = run("tlbench.cli.store", "--store", "store", "prune", "--weights")
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "hange --store: " in ran.stderr
    for path in (tmp_path / "store", *(tmp_path / "store").rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)


def test_a_read_only_output_folder(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "multirun").mkdir(mode=0o555)
    places = ("store_dir=store", f"cache_dir={cache}")
    ran = mere_owner("-m", "tlbench", "debug=fast", *places, cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("Make room or change hydra.run.dir: ")
    assert "Permission denied" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("error", "can_share", "said"),
    [
        (OSError(errno.ENOSPC, "full"), False, "Make room in .*shm, or set num_workers=0"),
        (RuntimeError("unable to write to file </torch_1>: full (28)"), True, "Make room in .*shm"),
        (RuntimeError("Bus error: out of shared memory"), True, "Make room in .*shm"),
        (OSError(errno.ENOSPC, "full"), True, "Make room or change store_dir"),
    ],
)
def test_memory_that_processes_share_is_not_taken_for_the_store(
    error: Exception,
    can_share: bool,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def probe(folder: Path) -> None:
        if folder == disk.SHARED and not can_share:
            raise OSError(errno.EROFS, "read only")

    shared = tmp_path / "shm"
    shared.mkdir()
    monkeypatch.setattr(disk, "SHARED", shared)
    monkeypatch.setattr(disk, "probe_writing", probe)
    with pytest.raises(UserError, match=said), disk.writing("store_dir", tmp_path):
        raise error


def test_a_name_that_no_disk_takes_is_the_settings_fault() -> None:
    with (
        pytest.raises(UserError, match=r"^Make room or change cache_dir: .*File name too long"),
        disk.writing("cache_dir", "x" * 10_000),
    ):
        Path("x" * 10_000).mkdir()
