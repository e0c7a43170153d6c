"""The command ``tlbench-predict``: labels and probabilities for the rows of a file.

MODEL is a folder of ``tlbench-export``. FILE is read and written a part at a time, so that it may
be larger than the memory.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tlbench.cli.exits import exit_code
from tlbench.data.parsing import Changes
from tlbench.data.readers import FILE_FORMATS
from tlbench.errors import UserError
from tlbench.store.disk import writing

_CHANGES = Changes(columns="--text", rows="FILE")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if all rows are predicted, else 1 and one sentence that says why not."""
    options = parser().parse_args(arguments)
    try:
        return exit_code(lambda: _predict(options))
    except BrokenPipeError:  # whoever reads the output has seen enough
        sys.stderr.close()
        return 1


def parser() -> argparse.ArgumentParser:
    """Return what reads the command's arguments."""
    arguments = argparse.ArgumentParser(prog="tlbench-predict", description=__doc__)
    arguments.add_argument("model", type=Path, help="a folder that tlbench-export has written")
    arguments.add_argument("file", type=Path, help="the rows; - for standard input")
    arguments.add_argument(
        "--out", type=Path, help="where to write predictions; standard output, as CSV, without it"
    )
    arguments.add_argument("--format", choices=FILE_FORMATS, help="of FILE; else by its name")
    arguments.add_argument(
        "--text", metavar="A,B", help="the columns of the texts, where they are called otherwise"
    )
    arguments.add_argument(
        "--keep", metavar="A,B", default="", help="columns to write beside the predictions"
    )
    arguments.add_argument(
        "--no-header", action="store_true", help="columns are called 0, 1, ... in FILE"
    )
    arguments.add_argument(
        "--glue",
        type=Path,
        metavar="DIR",
        help="write what GLUE's server takes: FILE is the folder of the official files",
    )
    arguments.add_argument("--device", help="as torch calls it; else a GPU where there is one")
    return arguments


def _predict(options: argparse.Namespace) -> None:
    from tlbench.export import predictions
    from tlbench.export.model import load_model

    if options.glue is not None:
        _submit(options)
        return
    out: Path | None = options.out
    if out is not None and out.exists():
        raise UserError(f"Change --out: {out} is there already.")
    out_format = "csv" if out is None else predictions.format_of(out, None, "a suffix to --out")
    with tempfile.TemporaryDirectory() as folder:
        is_stream = str(options.file) == "-"
        file = Path(folder) / "standard input" if is_stream else options.file
        in_format = (
            options.format if is_stream else predictions.format_of(file, options.format, "--format")
        )
        if in_format is None:
            raise UserError("Add --format: standard input has no name that would tell.")
        if is_stream:
            with file.open("wb") as opened:
                shutil.copyfileobj(sys.stdin.buffer, opened)
        model = load_model(options.model, options.device)
        task = (
            predictions.with_columns(model.task, options.text.split(","))
            if options.text
            else model.task
        )
        rows = predictions.rows_of(file, in_format, not options.no_header)
        kept = [name for name in options.keep.split(",") if name]
        parts = predictions.predict_rows(model, rows, task, kept, _CHANGES)
        _write(parts, out, out_format)


def _submit(options: argparse.Namespace) -> None:
    """Write GLUE's submission files.

    Raises:
        UserError: if there is another output too, or the rows are not there.
    """
    from tlbench.export.glue import write_submission
    from tlbench.export.model import load_model

    others = ("out", "format", "text", "keep", "no_header")
    if given := [name for name in others if getattr(options, name)]:
        raise UserError(f"Leave out --{given[0].replace('_', '-')}: --glue knows GLUE's files.")
    model = load_model(options.model, options.device)
    with writing("--glue", options.glue):
        for file in write_submission(model, options.file, options.glue):
            print(f"{file}")


def _write(parts: Iterator[list[dict[str, Any]]], out: Path | None, out_format: str) -> None:
    """Write predictions, with a line of progress; a file is there when it is complete."""
    from tlbench.export.predictions import write_parts

    if out is None:
        for _ in write_parts(parts, sys.stdout, out_format):
            pass
        return
    draft = out.with_name(f".{out.name}.part")
    count, screen = 0, Console(stderr=True)
    bar = Progress(transient=True, console=screen, disable=not screen.is_terminal)
    try:
        with writing("--out", out), bar:
            shown = bar.add_task("predicting", total=None)
            for count in write_parts(parts, draft, out_format):
                bar.update(shown, description=f"{count:,} rows")
            draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    print(f"{count:,} rows in {out}")


if __name__ == "__main__":
    sys.exit(main())
