"""Slurm as its commands answer."""

from pathlib import Path

import pytest

from tests.doctor.machines import Gpus, only
from tlbench.doctor import slurm
from tlbench.doctor.finding import Finding

SINFO = """debug|up|30:00|2|(null)
cpu*|up|1-00:00:00|40|(null)
gpu|up|2-00:00:00|8|(null)
gpu|up|2-00:00:00|4|gpu:a100:4(S:0-1)
old|down|infinite|3|gpu:2
slurm_load_partitions: a line of another kind
"""
CONFIG = "MailProg = /bin/mail\nMaxArraySize            = 1001\nMaxJobCount = 10000\n"


@pytest.fixture
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "find_spec", lambda name: None)


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "find_spec", lambda name: name)


def command(folder: Path, name: str, says: str = "", code: int = 0) -> None:
    (folder / f"{name}.txt").write_text(says)
    script = f"#!/bin/sh\nwhile read -r line; do echo \"$line\"; done < '{folder / name}.txt'\n"
    (folder / name).write_text(f"{script}exit {code}\n")
    (folder / name).chmod(0o755)


def cluster(folder: Path, sinfo: str = SINFO, config: str = CONFIG) -> Finding:
    command(folder, "sbatch")
    command(folder, "sinfo", sinfo)
    command(folder, "scontrol", config)
    return only(slurm.slurm())


@pytest.mark.usefixtures("launcher")
def test_a_cluster_with_gpus(commands: Path) -> None:
    found = cluster(commands)
    assert found.level == "ok"
    assert found.found == (
        "partitions debug (30:00), cpu (default, 1-00:00:00), gpu (GPUs, 2-00:00:00); "
        "MaxArraySize 1001"
    )
    assert found.advice == (
        "Set hydra/launcher=slurm hydra.launcher.partition=gpu hydra.launcher.gpus_per_node=1 for "
        "a sweep (docs/start/cluster.md)."
    )


@pytest.mark.usefixtures("launcher")
def test_a_cluster_without_gpus_has_its_default_partition(commands: Path) -> None:
    found = cluster(commands, "debug|up|30:00|2|(null)\ncpu*|up|infinite|4|(null)\n", "")
    assert found.found.endswith("; MaxArraySize is not known")
    assert found.advice.startswith("Set hydra/launcher=slurm hydra.launcher.partition=cpu for a ")


@pytest.mark.usefixtures("launcher")
def test_many_partitions_are_counted(commands: Path) -> None:
    found = cluster(commands, "".join(f"p{i}|up|1:00|1|(null)\n" for i in range(9)))
    assert "p5 (1:00) and 3 more; " in found.found


@pytest.mark.usefixtures("no_launcher")
def test_a_launcher_that_is_not_installed(commands: Path) -> None:
    found = cluster(commands)
    assert (found.level, found.advice) == ("note", "Run pip install 'tlbench[slurm]'.")


@pytest.mark.usefixtures("launcher")
def test_a_cluster_that_is_down(commands: Path) -> None:
    found = cluster(commands, "cpu*|down|1:00|2|(null)\n")
    assert (found.level, found.found) == ("problem", "no partition is up; MaxArraySize 1001")


@pytest.mark.usefixtures("launcher")
def test_a_controller_that_does_not_answer(commands: Path) -> None:
    command(commands, "sbatch")
    command(commands, "sinfo", "slurm_load_partitions: Unable to contact controller", code=1)
    found = only(slurm.slurm())
    assert found.level == "problem"
    assert found.found == "sbatch is here, but sinfo gives no answer in 10 s or fails"


def test_a_command_that_hangs_is_given_up(commands: Path) -> None:
    (commands / "sinfo").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (commands / "sinfo").chmod(0o755)
    assert slurm.answer("sinfo", timeout=0.2) is None


@pytest.mark.usefixtures("launcher")
def test_without_slurm_sweeps_are_of_this_machine(
    commands: Path, gpus: Gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "usable_cores", lambda: 6)
    found = only(slurm.slurm())
    assert found.level == "ok"
    assert found.found.startswith("no sbatch and no sinfo here: ")
    assert found.advice == "Set hydra/launcher=joblib hydra.launcher.n_jobs=6 for several."
    gpus(("NVIDIA H200", 140, (9, 0)))
    assert only(slurm.slurm()).advice == "Set hydra/launcher=gpus for several."


def test_one_core_has_no_room_for_several_jobs(
    commands: Path, gpus: Gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus()
    monkeypatch.setattr(slurm, "usable_cores", lambda: 1)
    assert only(slurm.slurm()).advice == ""


@pytest.mark.usefixtures("no_launcher")
def test_the_extra_of_the_local_launcher_is_named(commands: Path, gpus: Gpus) -> None:
    needed = " (after pip install 'tlbench[parallel]') for several."
    gpus()
    assert only(slurm.slurm()).advice.endswith(needed)
    gpus(("NVIDIA H200", 140, (9, 0)))
    assert only(slurm.slurm()).advice == f"Set hydra/launcher=gpus{needed}"


@pytest.mark.usefixtures("launcher")
def test_inside_a_job_sweeps_stay_in_it(
    commands: Path, gpus: Gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    found = cluster(commands)
    assert (found.level, found.found) == ("note", "this is inside Slurm job 4711")
    assert "hydra/launcher=joblib" in found.advice
