"""Files for GLUE's server (gluebenchmark.com): predictions of the official test rows of a task."""

from pathlib import Path
from typing import NamedTuple

from tlbench.data.readers import FileFormat
from tlbench.data.row_texts import Changes
from tlbench.errors import UserError
from tlbench.export.predictions import predict_rows, rows_of, with_columns
from tlbench.export.predictor import Predictor


class Submission(NamedTuple):
    """A file of the server.

    Attributes:
        test: the official file of rows, below the folder of GLUE's files.
        name: what the server calls the predictions.
        text: the columns of the texts.
        says: ``number`` of the label, ``label``, or ``score`` from 0 to 5.
        optional: whether the official download may lack the rows.
    """

    test: str
    name: str
    text: tuple[str, ...]
    says: str
    optional: bool = False


_CHANGES = Changes(columns="FILE", rows="FILE")  # whose columns are known
_PAIR = ("sentence1", "sentence2")
SUBMISSIONS = {
    "cola": [Submission("CoLA/test.tsv", "CoLA.tsv", ("sentence",), "number")],
    "sst2": [Submission("SST-2/test.tsv", "SST-2.tsv", ("sentence",), "number")],
    "mrpc": [Submission("MRPC/test.tsv", "MRPC.tsv", ("#1 String", "#2 String"), "number")],
    "stsb": [Submission("STS-B/test.tsv", "STS-B.tsv", _PAIR, "score")],
    "qqp": [Submission("QQP/test.tsv", "QQP.tsv", ("question1", "question2"), "number")],
    "mnli": [
        Submission("MNLI/test_matched.tsv", "MNLI-m.tsv", _PAIR, "label"),
        Submission("MNLI/test_mismatched.tsv", "MNLI-mm.tsv", _PAIR, "label"),
        Submission("diagnostic/diagnostic.tsv", "AX.tsv", _PAIR, "label", optional=True),
    ],
    "qnli": [Submission("QNLI/test.tsv", "QNLI.tsv", ("question", "sentence"), "label")],
    "rte": [Submission("RTE/test.tsv", "RTE.tsv", _PAIR, "label")],
    "wnli": [Submission("WNLI/test.tsv", "WNLI.tsv", _PAIR, "number")],
}


def write_submission(model: Predictor, glue: Path, out: Path) -> list[Path]:
    """Predict the official test rows of the model's task; return the files that were written.

    Args:
        model: of one of GLUE's tasks, with its labels in GLUE's order.
        glue: the folder of the official files: ``RTE/test.tsv``, ...
        out: the folder of the submission, which other tasks' files may be in.

    Raises:
        UserError: if the task is none of GLUE's, or its test rows are not there.
    """
    name = model.task.name
    if name not in SUBMISSIONS:
        raise UserError(f"Leave out --glue: '{name}' is none of GLUE's tasks.")
    wanted = [one for one in SUBMISSIONS[name] if not (one.optional and _is_gone(glue / one.test))]
    for one in wanted:
        if _is_gone(glue / one.test):
            raise UserError(f"Change FILE: {glue / one.test} is not there.")
    out.mkdir(parents=True, exist_ok=True)
    return [_write(model, one, glue / one.test, out / one.name) for one in wanted]


def _is_gone(file: Path) -> bool:
    return not file.is_file()


def _write(model: Predictor, one: Submission, rows: Path, out: Path) -> Path:
    task = with_columns(model.task, one.text)
    # The first column is the row's number, called "index" or "id".
    index = next(iter(next(rows_of(rows, FileFormat("tsv")))[1]))
    draft = out.with_name(f".{out.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as opened:
            opened.write("index\tprediction\n")
            read = rows_of(rows, FileFormat("tsv"))
            for part in predict_rows(model, read, task, [index], _CHANGES):
                lines = (f"{row[index]}\t{_said(model, one, row['prediction'])}\n" for row in part)
                opened.writelines(lines)
        return draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _said(model: Predictor, one: Submission, prediction: str | float) -> str:
    if one.says == "score":
        return f"{min(max(float(prediction), 0.0), 5.0):.3f}"
    if one.says == "number":
        return str((model.labels or []).index(str(prediction)))
    return str(prediction)
