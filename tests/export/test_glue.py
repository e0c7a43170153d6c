"""The files of GLUE's server, in its format, from official test files."""

from pathlib import Path

import pytest

from tests.export.test_export import exported
from tests.support.experiments import Run
from tlbench.cli.predict import main
from tlbench.export.glue import SUBMISSIONS
from tlbench.export.load import load_model

# The first line of every official file, as it is published.
HEADERS = {
    "CoLA/test.tsv": "index\tsentence",
    "SST-2/test.tsv": "index\tsentence",
    "MRPC/test.tsv": "index\t#1 ID\t#2 ID\t#1 String\t#2 String",
    "STS-B/test.tsv": "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2"
    "\tsentence1\tsentence2",
    "QQP/test.tsv": "id\tquestion1\tquestion2",
    "MNLI/test_matched.tsv": "index\tpromptID\tpairID\tsentence1\tsentence2",
    "MNLI/test_mismatched.tsv": "index\tpromptID\tpairID\tsentence1\tsentence2",
    "diagnostic/diagnostic.tsv": "index\tsentence1\tsentence2",
    "QNLI/test.tsv": "index\tquestion\tsentence",
    "RTE/test.tsv": "index\tsentence1\tsentence2",
    "WNLI/test.tsv": "index\tsentence1\tsentence2",
}


def write_glue(folder: Path) -> None:
    for name, header in HEADERS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        width = header.count("\t")
        lines = ["\t".join([str(n), *[f'word {n} "quoted'] * width]) for n in range(3)]
        (folder / name).write_text("\n".join([header, *lines]) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("task", SUBMISSIONS)
def test_every_task_has_the_servers_files(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    run(f"target_task={task}")
    exported(tmp_path)
    write_glue(tmp_path / "glue")
    monkeypatch.chdir(tmp_path)
    assert main(["model", "glue", "--glue", "out", "--device", "cpu"]) == 0
    names = {one.name for one in SUBMISSIONS[task]}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    labels = load_model(tmp_path / "model", "cpu").labels
    for one in SUBMISSIONS[task]:
        first, *lines = (tmp_path / "out" / one.name).read_text().splitlines()
        assert first == "index\tprediction"
        assert [line.split("\t")[0] for line in lines] == ["0", "1", "2"]
        said = {line.split("\t")[1] for line in lines}
        if one.says == "score":
            assert all(0 <= float(number) <= 5 for number in said)
        else:
            assert said <= ({"0", "1"} if one.says == "number" else set(labels or []))


def test_numbers_are_those_of_the_labels(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("target_task=cola")
    exported(tmp_path)
    write_glue(tmp_path / "glue")
    monkeypatch.chdir(tmp_path)
    model = load_model("model", "cpu")
    said = model.predict([f'word {n} "quoted' for n in range(3)])
    assert main(["model", "glue", "--glue", "out", "--device", "cpu"]) == 0
    lines = Path("out/CoLA.tsv").read_text().splitlines()[1:]
    numbers = {"unacceptable": "0", "acceptable": "1"}
    assert lines == [f"{n}\t{numbers[str(label)]}" for n, label in enumerate(said)]


def test_the_diagnostic_rows_may_be_absent_and_others_not(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("target_task=mnli")
    exported(tmp_path)
    write_glue(tmp_path / "glue")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glue" / "diagnostic" / "diagnostic.tsv").unlink()
    assert main(["model", "glue", "--glue", "out", "--device", "cpu"]) == 0
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"MNLI-m.tsv", "MNLI-mm.tsv"}
    (tmp_path / "glue" / "MNLI" / "test_matched.tsv").unlink()
    capsys.readouterr()
    assert main(["model", "glue", "--glue", "other"]) == 1
    assert capsys.readouterr().err == "Change FILE: glue/MNLI/test_matched.tsv is not there.\n"
    assert not Path("other").exists()


def test_an_option_that_has_no_effect_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), str(tmp_path), "--glue", "out", "--keep", "id"]) == 1
    assert capsys.readouterr().err == "Leave out --keep: --glue knows GLUE's files.\n"
