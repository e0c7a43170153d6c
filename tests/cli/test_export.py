"""``tlbench-export`` as a user runs it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.planted import grid, none, write
from tests.support.sweeps import Sweep
from tlbench.cli.export import main
from tlbench.records.record import read_record

Command = Callable[..., subprocess.CompletedProcess[str]]
FAST = ("debug=fast", "target_task=rte", "support_task=mrpc", "strategy=mtl")


def test_a_record_becomes_a_model(
    rte_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    capsys.readouterr()
    assert main([str(rte_model / "job"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"rte of {rte_model / 'job' / 'result.json'} in {out}\n"
    assert {"README.md", "config.json", "model.safetensors", "tlbench.json", "tokenizer.json"} <= {
        file.name for file in out.iterdir()
    }


@pytest.mark.slow
def test_of_a_study_it_is_the_best_guess_and_of_its_seeds_the_best(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = sweep("target_task=rte,cola", "seed=0,1,2")
    study, out = tmp_path / "sweep", tmp_path / "model"
    capsys.readouterr()
    assert main([str(study), "--target", "rte", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()[0]
    scores = {record.seed: record.score for name, record in records.items() if " rte" in name}
    best = max(scores, key=lambda seed: scores[seed] or 0)
    assert said.startswith("single is the best guess for rte; of its 3 seeds ")
    assert f" {best} is the best on dev, {100 * (scores[best] or 0):.1f}; expect their mean" in said
    card = (out / "README.md").read_text()
    assert said in card
    assert "## What the study says" in card


@pytest.mark.slow
def test_another_seed_can_be_had(sweep: Sweep, tmp_path: Path) -> None:
    sweep("target_task=rte", "seed=0,1")
    out = tmp_path / "model"
    assert main([str(tmp_path / "sweep"), "--seed", "1", "--out", str(out)]) == 0
    assert '"seed": 1' in (out / "tlbench.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "--out", "m"], "Add --target: the study has "),
        (
            ["sweep", "--target", "rte", "--seed", "7", "--out", "m"],
            "Change --seed: .* of the seeds 42, ",
        ),
        (["sweep", "--target", "qqp", "--out", "m"], "Change --target: the study has "),
        (["sweep", "--target", "rte", "--task", "qqp", "--out", "m"], "Change --task: 'qqp' is "),
        (["sweep", "--target", "rte", "--out", "sweep"], "Change --out: sweep is there already."),
        (["nowhere", "--out", "m"], "Give another study: the folder nowhere is not there"),
        (["packed.parquet", "--out", "m"], "Give a study's folder: packed.parquet holds records"),
        (["record", "--target", "rte", "--out", "m"], "Leave out --target and --seed: "),
    ],
)
def test_what_can_not_be_had_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    write(grid({"rte": 100, "cola": 400}, none), tmp_path / "sweep")
    monkeypatch.chdir(tmp_path)
    record = next(file for file in Path("sweep").rglob("result.json"))
    assert main([str(record) if word == "record" else word for word in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert re.search(message, captured.err)
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_weights_that_were_not_kept_are_trained_again(command: Command, tmp_path: Path) -> None:
    assert command(*FAST).returncode == 0
    (file,) = tmp_path.glob("multirun/adhoc/*/result.json")
    score = read_record(file).score
    ran = command(str(file), "--out", "m", module="tlbench.cli.export")
    assert ran.returncode == 0, ran.stderr
    assert "the store has not kept these weights of rte: training the stage again" in ran.stderr
    assert f"trained again: score {score}, the same as the record's {score}" in ran.stderr
    assert (tmp_path / "m" / "model.safetensors").exists()
    assert read_record(file).score == score
    # They are in the store from now on.
    ran = command(str(file), "--out", "again", module="tlbench.cli.export")
    assert "training the stage again" not in ran.stderr
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_what_would_be_another_stage_today_is_refused(command: Command, tmp_path: Path) -> None:
    rows = "text,verdict\n" + "".join(f"film {n},{('bad', 'good')[n % 2]}\n" for n in range(40))
    (tmp_path / "train.csv").write_text(rows)
    (tmp_path / "dev.csv").write_text(rows.replace("film", "show"))
    (tmp_path / "my_conf" / "target_task").mkdir(parents=True)
    (tmp_path / "my_conf" / "target_task" / "mine.yaml").write_text(
        "name: mine\nlabels: [bad, good]\nscore: [accuracy]\nmetrics: [accuracy]\n"
        "source: {format: csv, path: ., text: [text], label: verdict}\n"
    )
    options = ("--config-dir", "my_conf", *FAST, "target_task=mine", "subsample_size.target=20")
    ran = command(*options)
    assert ran.returncode == 0, ran.stderr
    (file,) = tmp_path.glob("multirun/adhoc/*/result.json")
    (tmp_path / "train.csv").write_text(rows.replace("film", "movie"))
    ran = command(str(file), "--out", "m", module="tlbench.cli.export")
    assert ran.returncode == 1
    assert "is not what would be trained today" in ran.stderr
    assert not (tmp_path / "m").exists()


class Hub:
    """Stands in for the hub's client; keeps what it was told."""

    said: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012

    def create_repo(self, repo: str, **options: Any) -> None:
        if "/" not in repo:
            raise ValueError("Repo id must be 'namespace/name'\nand more")
        self.said.append((repo, options))

    def upload_folder(self, **options: Any) -> Any:
        self.said.append(
            (options["repo_id"], {"files": sorted(Path(options["folder_path"]).iterdir())})
        )
        return type("Commit", (), {"commit_url": "https://hub/me/mine/commit/1"})


@pytest.mark.parametrize("options", [(), ("--public",)])
def test_it_can_be_pushed(
    rte_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
) -> None:
    monkeypatch.setattr("tlbench.export.push.HfApi", Hub)
    monkeypatch.setattr(Hub, "said", [])
    out = tmp_path / "model"
    assert main([str(rte_model / "job"), "--out", str(out), "--push", "me/mine", *options]) == 0
    assert capsys.readouterr().out.endswith("https://hub/me/mine/commit/1\n")
    (created, uploaded) = Hub.said
    assert created == ("me/mine", {"private": not options, "exist_ok": True})
    assert uploaded == ("me/mine", {"files": sorted(out.iterdir())})
    assert 'model="me/mine"' in (out / "README.md").read_text()


def test_what_the_hub_refuses_is_one_sentence(
    rte_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tlbench.export.push.HfApi", Hub)
    out = tmp_path / "model"
    assert main([str(rte_model / "job"), "--out", str(out), "--push", "mine"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "Change --push, or log in (hf auth login): mine can't be written (Repo id"
    )
    assert said.count("\n") == 1
    assert (out / "model.safetensors").exists()
