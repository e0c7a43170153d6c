from datetime import UTC, datetime, timedelta
from pathlib import Path

from tlbench.records.asking import first_asked, now


def test_the_first_time_stays(tmp_path: Path) -> None:
    folder = tmp_path / "study" / "job"
    first = first_asked(folder)
    assert first_asked(folder) == first
    assert [file.name for file in folder.iterdir()] == ["asked.txt"]


def test_times_are_utc_and_sort_as_text() -> None:
    said = datetime.fromisoformat(now())
    assert abs(datetime.now(UTC) - said) < timedelta(minutes=1)
    assert said.utcoffset() == timedelta(0)
    assert now() <= now()
