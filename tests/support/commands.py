"""What several tests do by command line."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., subprocess.CompletedProcess[str]]


def assert_exports_and_runs_again(command: Command, record: Path, folder: Path) -> None:
    """Export the model of a record, and run the record again: its score is the same.

    Args:
        record: the file.
        folder: where commands are run.
    """
    exported = command(str(record.parent), "--out", "model", module="tlbench.cli.export")
    assert exported.returncode == 0, exported.stderr
    assert json.loads((folder / "model" / "config.json").read_text())["architectures"]
    again = command(str(record), module="tlbench.cli.rerun")
    assert again.returncode == 0, again.stderr
    assert "The score is the same." in again.stdout
