"""What control groups of both versions allow."""

from pathlib import Path

import pytest

from tests.doctor.machines import v1, v2
from tlbench.doctor.cgroups import Limits, limits

STAT = "anon 1000\ninactive_file 300\nactive_file 200\n"


def test_version_2(tmp_path: Path) -> None:
    of = v2(
        tmp_path,
        cpu__max="250000 100000\n",
        memory__max="8000\n",
        memory__current="1500\n",
        memory__stat=STAT,
    )
    assert limits(tmp_path, of) == Limits(cores=2.5, memory=8000, free=6800)


def test_a_group_above_that_allows_less(tmp_path: Path) -> None:
    of = v2(tmp_path, cpu__max="max 100000", memory__max="max", memory__current="1500")
    assert limits(tmp_path, of) == Limits()
    (tmp_path / "cpu.max").write_text("100000 100000")
    (tmp_path / "memory.max").write_text("2000")
    (tmp_path / "memory.current").write_text("1700")
    assert limits(tmp_path, of) == Limits(1, 2000, 300)


@pytest.mark.parametrize(("quota", "cores"), [("150000", 1.5), ("-1", None)])
def test_cores_of_version_1(tmp_path: Path, quota: str, cores: float | None) -> None:
    files = {"cpu__cfs_quota_us": quota, "cpu__cfs_period_us": "100000"}
    assert limits(tmp_path, v1(tmp_path, "cpu,cpuacct", **files)) == Limits(cores)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("8000", Limits(None, 8000, 6900)), ("9223372036854771712", Limits())],
)
def test_memory_of_version_1(tmp_path: Path, limit: str, expected: Limits) -> None:
    files = {"memory__limit_in_bytes": limit, "memory__usage_in_bytes": "1500"}
    stat = "inactive_file 1\ntotal_inactive_file 400\n"
    of = v1(tmp_path, "memory", **files, memory__stat=stat)
    assert limits(tmp_path, of) == expected


def test_a_container_that_is_told_its_hosts_path(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("4000")
    (tmp_path / "of_process").write_text("4:memory:/docker/0fe1\n")
    assert limits(tmp_path, tmp_path / "of_process").memory == 4000


def test_where_there_are_none(tmp_path: Path) -> None:
    assert limits(tmp_path, tmp_path / "none") == Limits()
