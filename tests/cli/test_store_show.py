import json
import re
from pathlib import Path
from typing import Any

import pytest

from tlbench.cli.store import main
from tlbench.records.record import ResultRecord
from tlbench.store.integrity import write_sealed
from tlbench.store.manifest import MANIFEST, with_checksums

MNLI, RTE, PAIR = "aa00" * 4, "aa11" * 4, "bb22" * 4
TITLES = {MNLI: "mnli", RTE: "rte<-mnli", PAIR: "mnli+rte"}


def entry(score: float | None) -> dict[str, Any]:
    return {
        "score": score,
        "metrics": {"accuracy": score},
        "majority_score": 0.5,
        "collapsed": False,
        "step": 19,
        "train_rows": 800,
        "cross_fit": {"score": 0.6},
    }


def put(store: Path, key: str, needs: tuple[str, ...] = (), score: float | None = 0.625) -> None:
    folder = store / key
    (folder / "predictions").mkdir(parents=True)
    names = TITLES[key].partition("<")[0].split("+")
    for name in names:
        (folder / "predictions" / f"{name}.parquet").write_bytes(b"12345")
    manifest = {
        "title": TITLES[key],
        "seed": 3,
        "encoder": "distilroberta-base",
        "tasks": {name: entry(score) for name in names},
        "diverged": "logits are not finite" if score is None else None,
        "weights": [],
        "steps": 76,
        "instances": 2400,
        "seconds": 2.5,
        "device": "cpu",
        "fingerprint": {"config": {"encoder.max_length": 64}},
        "before": {need: {"title": TITLES[need]} for need in needs},
        "versions": {"tlbench": "0.1.0"},
        "git_revision": None,
        "finished": "2026-11-29T12:00:00.000+00:00",
    }
    write_sealed(folder / MANIFEST, with_checksums(key, manifest, folder))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "multirun" / ".store"
    (store / ".work").mkdir(parents=True)
    put(store, MNLI)
    put(store, RTE, (MNLI,))
    put(store, PAIR, score=None)
    record = ResultRecord("s", "stilts", "rte", ["mnli"], "tiny", 3, stage_keys=[MNLI, RTE])
    record.write(tmp_path / "multirun" / "s" / "job")
    return store


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", ["20", "40", "300"])
def test_ls_has_every_key_in_full_however_narrow_the_terminal_is(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    heading, *lines = shown(capsys, "ls").splitlines()
    assert heading.split()[:4] == ["key", "stage", "seed", "scores"]
    assert [line.split()[:2] for line in lines] == [[key, TITLES[key]] for key in (MNLI, RTE, PAIR)]
    assert "mnli -, rte -" in lines[2]


def test_ls_of_nothing_is_its_heading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".work").mkdir()
    assert shown(capsys, "--store", str(tmp_path), "ls").split()[0] == "key"


def test_ls_as_json_is_an_object_a_line(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in shown(capsys, "ls", "--json").splitlines()]
    assert [(one["key"], one["scores"]) for one in lines] == [
        (MNLI, {"mnli": 0.625}),
        (RTE, {"rte": 0.625}),
        (PAIR, {"mnli": None, "rte": None}),
    ]
    assert lines[0]["bytes"] == 5 + (store / MNLI / MANIFEST).stat().st_size


@pytest.mark.parametrize("begin", [MNLI, "aa00", "AA00"])
def test_a_stage_is_shown_with_what_needs_it(
    store: Path, capsys: pytest.CaptureFixture[str], begin: str
) -> None:
    printed = shown(capsys, "show", begin)
    for words in (
        f"key            {MNLI}",
        "800 train rows, score 62.5 on dev, 60.0 cross-fitted, majority class 50.0, accuracy 62.5",
        "name distilroberta-base, max_length 64",
        "stilts (1)",
        "stilts rte<-mnli s3  multirun/s/job",
        f"needed by      {RTE}  rte<-mnli",
        "made           2026-11-29T12:00:00.000+00:00 by ",
        "predictions/mnli.parquet  5 bytes",
    ):
        assert words in printed
    assert PAIR not in printed


def test_a_stage_is_shown_as_json_with_what_it_needs(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads(shown(capsys, "show", RTE, "--json"))
    assert facts["needs"] == {MNLI: "mnli"}
    assert facts["needed_by"] == {}
    assert facts["strategies"] == {"stilts": 1}
    assert facts["tasks"]["rte"]["predictions"].endswith(f"{RTE}/predictions/rte.parquet")
    assert {*facts["files"]} == {"stage.json", "predictions/rte.parquet"}


def test_what_has_diverged_says_why(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = shown(capsys, "show", "bb")
    assert "logits are not finite" in printed
    assert "score - on dev" in printed


@pytest.mark.parametrize(
    ("begin", "sentence"),
    [
        ("aa", f"Change KEY: 'aa' is no stage of .*: 2 stages begin with it \\({MNLI}, {RTE}\\)"),
        ("cc", "Change KEY: 'cc' is no stage of .*: no stage begins with it"),
        (".work", "Change KEY: '.work' is no stage of .*: no stage begins with it"),
        ("", "Change KEY: '' is no stage of .*: 3 stages begin with it"),
    ],
)
def test_no_key_or_one_of_several_is_a_sentence(
    store: Path, capsys: pytest.CaptureFixture[str], begin: str, sentence: str
) -> None:
    assert main(["show", begin]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.match(sentence, error)


def test_a_damaged_stage_is_a_sentence(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store / MNLI / MANIFEST).write_text("{")
    assert main(["show", "aa00"]) == 1
    assert f"Give another KEY: stage {MNLI} is damaged" in capsys.readouterr().err
