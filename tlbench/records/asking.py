"""When an experiment was first asked for, which its record keeps however often it is run again."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

_FILE = "asked.txt"


def now() -> str:
    """Return the present time as records have it: UTC, ISO 8601, sortable as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def first_asked(folder: Path, at: str = "") -> str:
    """Return when the experiment of a folder was first asked for, which the first call says.

    Args:
        folder: the job's.
        at: the time if this is the first call; empty for now.

    Raises:
        OSError: if the folder can't be written.
    """
    file = folder / _FILE
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        draft = folder / f".{_FILE}.{uuid.uuid4().hex[:8]}"
        draft.write_text(at or now())
        draft.replace(file)  # complete before it has its name: a job beside this one may read it
    return file.read_text().strip()
