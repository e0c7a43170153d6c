"""A messy file of a user's, from rows to predictions, with the commands of docs/guide/tasks.md."""

import csv
import random
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.test_tlbench import FAST, Command
from tlbench.records.record import read_record

TOPICS = [f"topic{i}" for i in range(30)]
OWN = ("--config-dir", "my_conf", "encoder=tiny", "suite=generated", "logger=none")


def write_messy(folder: Path, name: str) -> None:
    """Write a task of one file: quotes and lines in cells, emoji, empty cells, duplicates."""
    rng = random.Random(0)
    rows = []
    for number in range(600):
        topic = rng.choice(TOPICS[: 30 if number % 5 else 5])
        said = [rng.choice([topic, "the", "\N{OWL}", 'a "quoted" word', "two\nlines", "x,y"])]
        words = said + [rng.choice([topic, "and"]) for _ in range(500 if number % 60 == 0 else 6)]
        subject = "" if number % 11 == 0 else f"{topic} {number}"
        rows.append([number, subject, " ".join(words), topic if number % 50 else ""])
    rows += rows[1:40]
    with (folder / "tickets.csv").open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([["id", "subject", "body", "queue"], *rows])
    configs = folder / "my_conf" / "target_task"
    configs.mkdir(parents=True)
    (configs / f"{name}.yaml").write_text(
        f"name: {name}\nlabels: [{', '.join(TOPICS)}]\nscore: [macro_f1]\n"
        "metrics: [macro_f1, accuracy]\n"
        "source: {path: tickets.csv, text: [subject, body], label: queue}\n"
    )


@pytest.mark.slow
def test_a_messy_file_from_rows_to_predictions(command: Command, tmp_path: Path) -> None:
    write_messy(tmp_path, "tickets")
    source = [
        f"target_task.source.{key}" for key in ("dev=0.2", "test=0.1", "keep=\"queue != ''\"")
    ]
    options = (*OWN, "target_task=tickets", *source, "trainer.max_steps=20", "seed=0")
    dry = command(*options, "hydra.sweeper.dry_run=true")
    assert dry.returncode == 0, dry.stderr
    assert "tickets train: " in dry.stdout
    assert "30 classes, the rarest" in dry.stdout
    ran = command(*options, "keep_weights=all")
    assert ran.returncode == 0, ran.stderr
    (file,) = tmp_path.glob("multirun/adhoc/*/result.json")
    record = read_record(file)
    assert record.leaks == []
    rows = 600 + 39 - 12
    test = record.test["rows"] if record.test else 0
    assert record.train_rows["tickets"] + record.dev_rows + test == rows
    predicted = command(
        str(file), "tickets.csv", "--keep", "id", "--out", "p.csv", module="tlbench.cli.predict"
    )
    assert predicted.returncode == 0, predicted.stderr
    found = pd.read_csv(tmp_path / "p.csv")
    assert len(found) == 639
    assert set(found.prediction) <= set(TOPICS)


def test_a_task_may_be_called_2024_and_its_keys_need_no_plus(
    command: Command, tmp_path: Path
) -> None:
    write_messy(tmp_path, "2024")
    ran = command(
        *OWN[:2],
        *FAST,
        "target_task=2024",
        "target_task.source.dev=0.2",
        "subsample_size.dev=20",
        "target_task.source.keep=\"queue != ''\"",
    )
    assert ran.returncode == 0, ran.stderr
    (file,) = tmp_path.glob("multirun/adhoc/2024-*/result.json")
    assert read_record(file).target_task == "2024"
