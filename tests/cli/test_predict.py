"""``tlbench-predict`` as a user runs it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.support.sweeps import Sweep
from tlbench.cli.predict import main
from tlbench.export import predictions
from tlbench.export.load import load_model

ROWS = [
    {"id": 7, "text_a": 'he said "hi", twice', "text_b": "two\nlines"},
    {"id": 8, "text_a": "é 🙂", "text_b": "NA"},
    {"id": 9, "text_a": "a longer text than the others " * 5, "text_b": "42"},
]
Ran = Callable[..., str]


@pytest.fixture
def here(rte_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model of rte, where commands are run."""
    (tmp_path / "model").symlink_to(rte_model / "model")
    (tmp_path / "job").symlink_to(rte_model / "job")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, rows: list[dict[str, object]] = ROWS) -> None:  # type: ignore[assignment]
    frame = pd.DataFrame(rows)
    if name.endswith(".parquet"):
        frame.to_parquet(name)
    elif name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        frame.to_csv(name, index=False)


def read(name: str) -> pd.DataFrame:
    if name.endswith(".parquet"):
        return pd.read_parquet(name)
    if name.endswith(".jsonl"):
        return pd.read_json(name, lines=True)
    return pd.read_csv(name, sep="\t" if name.endswith(".tsv") else ",")


@pytest.mark.parametrize(
    ("source", "out"),
    [
        ("rows.csv", "out.parquet"),
        ("rows.csv", "out.tsv"),
        ("rows.jsonl", "out.csv"),
        ("rows.parquet", "out.jsonl"),
    ],
)
def test_every_format_gives_what_the_model_says(
    here: Path, source: str, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(source)
    capsys.readouterr()
    assert main(["model", source, "--out", out, "--keep", "id", "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"3 rows in {out}\n"
    found = read(out)
    model = load_model("model", "cpu")
    pairs = [(str(row["text_a"]), str(row["text_b"])) for row in ROWS]
    assert found.prediction.tolist() == model.predict(pairs)
    columns = [f"probability_{label}" for label in model.labels or []]
    assert found[columns].to_numpy() == pytest.approx(model.probabilities(pairs), abs=1e-6)
    assert found.id.astype(int).tolist() == [7, 8, 9]
    assert found.row.tolist() == [1, 2, 3]


def test_without_out_it_is_csv_on_standard_output(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("rows.jsonl")
    piped = type("Stdin", (), {"buffer": io.BytesIO(Path("rows.jsonl").read_bytes())})
    monkeypatch.setattr(sys, "stdin", piped)
    capsys.readouterr()
    assert main(["model", "-", "--format", "jsonl", "--device", "cpu"]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found.row.tolist() == [1, 2, 3]
    assert set(found.prediction) <= {"entailment", "not_entailment"}


def test_a_record_predicts_as_what_would_be_exported_of_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("rows.csv")
    assert main(["model", "rows.csv", "--out", "exported.csv", "--device", "cpu"]) == 0
    for number, record in enumerate(["job", "job/result.json"]):
        assert main([record, "rows.csv", "--out", f"{number}.csv", "--device", "cpu"]) == 0
        assert Path(f"{number}.csv").read_text() == Path("exported.csv").read_text()


@pytest.mark.slow
def test_an_ensemble_says_on_standard_error_which_seeds_it_is_of(
    sweep: Sweep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep("target_task=rte", "seed=0,1")
    monkeypatch.chdir(tmp_path)
    write("rows.csv")
    record = next(Path("sweep").rglob("result.json"))
    capsys.readouterr()
    assert main([str(record), "rows.csv", "--ensemble", "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert "the mean of the seeds 0, 1\n" in captured.err
    assert len(pd.read_csv(io.StringIO(captured.out))) == 3


@pytest.mark.slow
def test_weights_that_were_not_kept_are_trained_again(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    options = ("debug=fast", "target_task=rte", "support_task=mrpc", "strategy=mtl")
    assert command(*options).returncode == 0
    (file,) = tmp_path.glob("multirun/adhoc/*/result.json")
    rows = "text_a,text_b\none,other\n"
    (tmp_path / "rows.csv").write_text(rows)
    ran = command(str(file), "rows.csv", module="tlbench.cli.predict")
    assert ran.returncode == 0, ran.stderr
    assert "the store has not kept these weights of rte: training the stage again" in ran.stderr
    # The training says what it does elsewhere: this is all predictions.
    assert pd.read_csv(io.StringIO(ran.stdout)).row.tolist() == [1]


def test_columns_may_be_called_otherwise(here: Path) -> None:
    write("rows.csv", [{"question": "who?", "answer": "nobody"}] * 2)
    assert main(["model", "rows.csv", "--text", "question,answer", "--out", "out.csv"]) == 0
    Path("bare.tsv").write_text("7\tone\tother\n8\ttwo\tother\n")
    assert main(["model", "bare.tsv", "--no-header", "--text", "1,2", "--out", "bare.csv"]) == 0
    assert len(read("out.csv")) == len(read("bare.csv")) == 2


def test_a_file_is_predicted_part_by_part(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("rows.csv", [{"text_a": f"text {n}", "text_b": "x"} for n in range(25)])
    assert main(["model", "rows.csv", "--out", "whole.parquet"]) == 0
    monkeypatch.setattr(predictions, "PART", 4)
    assert main(["model", "rows.csv", "--out", "parts.parquet"]) == 0
    whole, parts = read("whole.parquet"), read("parts.parquet")
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model", "rows.txt", "--out", "o.csv"], "Add --format: rows.txt ends in none of "),
        (["model", "nowhere.csv", "--out", "o.csv"], "Change FILE: nowhere.csv can't be read"),
        (["model", "rows.csv", "--out", "o.xlsx"], "Add a suffix to --out: o.xlsx ends in none"),
        (["model", "rows.csv", "--out", "rows.csv"], "Change --out: rows.csv is there already."),
        (
            ["model", "rows.csv", "--text", "a", "--out", "o.csv"],
            "Change --text: 'rte' has 2 texts",
        ),
        (
            ["model", "rows.csv", "--text", "a,b", "--out", "o.csv"],
            "Change --text: rows.csv, line 3 has no column",
        ),
        (
            ["model", "rows.csv", "--keep", "x", "--out", "o.csv"],
            "Change --keep: rows.csv, line 3 h",
        ),
        (
            ["model", "bad.jsonl", "--out", "o.csv"],
            "Change FILE: bad.jsonl, line 2, column 'text_b' has True where a text belongs",
        ),
        (
            ["nothing", "rows.csv", "--out", "o.csv"],
            "Change MODEL: nothing is neither a folder that tlbench-export has written nor a rec",
        ),
        (
            ["model", "rows.csv", "--task", "mnli", "--out", "o.csv"],
            "Leave out --task, or give a record: an exported folder has one task",
        ),
        (
            ["model", "rows.csv", "--ensemble", "--out", "o.csv"],
            "Leave out --ensemble, or give a record: an exported folder has one",
        ),
        (
            ["job", "rows.csv", "--ensemble", "--out", "o.csv"],
            "has no finished run of another seed that is like job/result.json",
        ),
        (
            ["job", "rows.csv", "--task", "mnli", "--out", "o.csv"],
            "Change --task: 'mnli' is none of the tasks",
        ),
        (
            ["job", "rows.csv", "--precision", "16", "--out", "o.csv"],
            "Change --precision: '16' is none of 32-true, bf16-true",
        ),
        (["model", "-"], "Add --format: standard input"),
    ],
)
def test_what_can_not_be_done_is_one_sentence_and_leaves_no_file(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    write("rows.csv")
    write("bad.jsonl", [ROWS[0], {"text_a": "alone", "text_b": True}])  # type: ignore[list-item]
    before = sorted(here.iterdir())
    capsys.readouterr()
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.strip().count("\n") == 0
    assert sorted(here.iterdir()) == before
