"""The command ``tlbench-predict``: labels and probabilities for the rows of a file.

MODEL is a record, or a folder of ``tlbench-export``. FILE is read and written a part at a time, so
that it may be larger than the memory.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from tlbench.cli.exits import exit_code
from tlbench.cli.parser import new_parser
from tlbench.data.readers import FILE_FORMATS, FileFormat
from tlbench.data.row_texts import Changes
from tlbench.errors import UserError
from tlbench.store.disk import writing

if TYPE_CHECKING:
    from tlbench.export.predictor import Predictor


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
    arguments = new_parser("tlbench-predict", __doc__)
    arguments.add_argument(
        "model",
        type=Path,
        help="a result.json, the folder that it is in, or one that tlbench-export has written",
    )
    arguments.add_argument("file", type=Path, help="the rows; - for standard input")
    arguments.add_argument(
        "--out", type=Path, help="where to write predictions; standard output, as CSV, without it"
    )
    arguments.add_argument(
        "--text", metavar="A,B", help="the columns of the texts, where they are called otherwise"
    )
    arguments.add_argument(
        "--choices", metavar="A,B", help="the columns of the choices, or of lists of them, the same"
    )
    arguments.add_argument(
        "--keep", metavar="A,B", default="", help="columns to write beside the predictions"
    )
    arguments.add_argument(
        "--glue",
        type=Path,
        metavar="DIR",
        help="write what GLUE's server takes: FILE is the folder of the official files",
    )
    _add_options_of_file(arguments)
    _add_options_of_model(arguments)
    return arguments


def _add_options_of_file(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--format", choices=FILE_FORMATS, help="of FILE; else by its name")
    arguments.add_argument(
        "--no-header", action="store_true", help="columns are called 0, 1, ... in FILE"
    )
    arguments.add_argument("--encoding", help="of FILE, as Python calls it; UTF-8 without it")
    arguments.add_argument("--delimiter", help="between FILE's cells; else a comma, or a tab")
    arguments.add_argument(
        "--quoting",
        choices=("yes", "no"),
        help="whether quotes around FILE's cells are no part of them; else in CSV yes, in TSV no",
    )


def _add_options_of_model(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--task", help="of a record: another task of a multi-task stage")
    arguments.add_argument(
        "--ensemble",
        action="store_true",
        help="of a record: the mean of all finished seeds of its setting",
    )
    arguments.add_argument(
        "--precision", default="32-true", help="32-true (default), or bf16-true: faster, less exact"
    )
    arguments.add_argument("--device", help="as torch calls it; else a GPU where there is one")
    arguments.add_argument(
        "--trust", action="store_true", help="run code that MODEL names, as a task kind of its own"
    )


def _model(options: argparse.Namespace) -> "Predictor":
    from tlbench.export.load import load_model

    return load_model(
        options.model,
        options.device,
        task=options.task,
        ensemble=options.ensemble,
        precision=options.precision,
        trust=options.trust,
    )


def _predict(options: argparse.Namespace) -> None:
    from tlbench.export import predictions

    if options.glue is not None:
        _submit(options)
        return
    out: Path | None = options.out
    if out is not None and out.exists():
        raise UserError(f"Change --out: {out} is there already.")
    out_format = predictions.output_format(out)
    with tempfile.TemporaryDirectory() as folder:
        file, in_format = _file(options, Path(folder))
        next(predictions.rows_of(file, in_format))  # before a model is loaded, or trained
        model = _model(options)
        texts, choices = (of.split(",") if of else [] for of in (options.text, options.choices))
        task = predictions.with_columns(model.task, texts, choices)
        columns = "--text" if task.source.choices is None else "--text or --choices"
        rows = predictions.rows_of(file, in_format, task.source.explode)
        kept = [name for name in options.keep.split(",") if name]
        parts = predictions.predict_rows(model, rows, task, kept, Changes(columns, "FILE"))
        separator = task.source.separator or predictions.separator_of(task)
        _write(parts, out, out_format, separator)


def _file(options: argparse.Namespace, folder: Path) -> tuple[Path, FileFormat]:
    """Return the file of rows and its format; standard input is first copied into a folder.

    Raises:
        UserError: if nothing says the format.
    """
    from tlbench.export.predictions import format_of

    file, name = options.file, options.format
    if str(file) == "-":
        if name is None:
            raise UserError("Add --format: standard input has no name that would tell.")
        file = folder / "standard input"
        with file.open("wb") as opened:
            shutil.copyfileobj(sys.stdin.buffer, opened)
    quoting = None if options.quoting is None else options.quoting == "yes"
    file_format = FileFormat(
        format_of(file, name, "--format"),
        not options.no_header,
        options.encoding,
        options.delimiter,
        quoting,
    )
    return file, file_format


def _submit(options: argparse.Namespace) -> None:
    """Write GLUE's submission files.

    Raises:
        UserError: if there is another output too, or the rows are not there.
    """
    from tlbench.export.glue import write_submission

    of_file = ("format", "no_header", "encoding", "delimiter", "quoting")
    others = ("out", "text", "choices", "keep", *of_file)
    if given := [name for name in others if getattr(options, name)]:
        raise UserError(f"Leave out --{given[0].replace('_', '-')}: --glue knows GLUE's files.")
    model = _model(options)
    with writing("--glue", options.glue):
        for file in write_submission(model, options.file, options.glue):
            print(f"{file}")


def _write(
    parts: Iterator[list[dict[str, Any]]], out: Path | None, out_format: str, separator: str
) -> None:
    """Write predictions, with a line of progress; a file is there when it is complete."""
    from tlbench.export.predictions import write_parts

    if out is None:
        for _ in write_parts(parts, sys.stdout, out_format, separator):
            pass
        return
    draft = out.with_name(f".{out.name}.part")
    count, screen = 0, Console(stderr=True)
    bar = Progress(transient=True, console=screen, disable=not screen.is_terminal)
    try:
        with writing("--out", out), bar:
            shown = bar.add_task("predicting", total=None)
            for count in write_parts(parts, draft, out_format, separator):
                bar.update(shown, description=f"{count:,} rows")
            draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    print(f"{count:,} rows in {out}")


if __name__ == "__main__":
    sys.exit(main())
