"""The suites that are shipped: every task of each is read; some are trained."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, Features
from sklearn.metrics import accuracy_score, f1_score

from tests.support.commands import Command
from tests.support.composing import compose_config
from tests.support.experiments import Compose, Run
from tests.support.suites import (
    DEV,
    LANGUAGES,
    SUPERGLUE,
    TRAIN,
    write_glue,
    write_superglue,
    write_xnli,
)
from tlbench.config.schema import Task
from tlbench.config.validation import parse_config
from tlbench.data import hub
from tlbench.data.sources import final_split, splits
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.tasks.definition import check_task

WRITERS: Mapping[str, Callable[[Path], None]] = {
    "superglue_jsonl": write_superglue,
    "xnli_tsv": write_xnli,
    "glue_tsv_ood": write_glue,
}
LOCAL = [("superglue_jsonl", task) for task in SUPERGLUE]
LOCAL += [("glue_tsv_ood", task) for task in ("mnli", "rte", "qqp")] + [("xnli_tsv", "xnli")]
HUB = [("superglue", task) for task in SUPERGLUE] + [("xnli", "xnli")]
HUB += [("glue_ood", task) for task in ("mnli", "rte", "qqp")]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By suite, the folder of its official files."""
    made = {suite: tmp_path_factory.mktemp(suite) for suite in WRITERS}
    for suite, root in made.items():
        WRITERS[suite](root)
    return made


def composed(suite: str, task: str, *overrides: str) -> Task:
    """Return the definition of a task in a suite, as a job has it."""
    config = parse_config(compose_config(f"suite={suite}", f"target_task={task}", *overrides))
    check_task(config.target_task)
    return config.target_task


def texts_of(task: Task, split: str, cache: Path) -> list[tuple[Any, ...]]:
    rows = splits(task)[split].load(str(cache))
    return [*zip(*(rows[name][:] for name in ("text_a", "text_b", "label")), strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize(("suite", "task"), LOCAL)
def test_every_task_is_planned_from_its_official_files(
    suite: str, task: str, roots: dict[str, Path], command: Command
) -> None:
    root = f"suite.root={roots[suite]}"
    fast = ("debug=fast", "subsample_size.target=32", "hydra.sweeper.dry_run=true")
    done = command(*fast, f"suite={suite}", root, f"target_task={task}")
    assert done.returncode == 0, done.stderr
    dev = next(line for line in done.stdout.splitlines() if f"{task} dev: " in line)
    count = 5 * DEV if task == "multirc" else DEV
    assert f"{task} dev: {min(count, 64)} rows; " in dev


def test_an_answer_of_multirc_is_a_row(roots: dict[str, Path], cache: Path) -> None:
    task = composed("superglue_jsonl", "multirc", f"suite.root={roots['superglue_jsonl']}")
    rows = texts_of(task, "train", cache)
    assert len(rows) == 5 * TRAIN
    assert rows[0] == ("Ada sees Dan on day 0.", "Dan sees Ada. 0? Answer 0 0 0", 0.0)
    assert [row[1].rpartition("Answer ")[2] for row in rows[2:5]] == ["0 1 0", "0 1 1", "0 1 2"]


def test_texts_and_labels_of_superglue(roots: dict[str, Path], cache: Path) -> None:
    def first(task: str) -> tuple[Any, ...]:
        root = f"suite.root={roots['superglue_jsonl']}"
        return texts_of(composed("superglue_jsonl", task, root), "train", cache)[0]

    text, other = "Ada sees Dan on day 0.", "Dan sees Ada."
    assert first("boolq") == (text, other, 1.0)
    assert first("cb") == (text, other, 0.0)
    assert first("wic") == (f"day: {text}", f"day: {other}", 1.0)
    assert first("wsc") == (text, '"she" is "Ada".', 1.0)


def test_a_row_of_copa_has_two_choices(roots: dict[str, Path], cache: Path) -> None:
    task = composed("superglue_jsonl", "copa", f"suite.root={roots['superglue_jsonl']}")
    row = splits(task)["train"].load(str(cache))[1]
    assert row["text_a"] == "Bob finds Eve on day 1. What was the cause?"
    assert row["choices"] == ["Eve finds Bob.", "Eve finds Bob. Twice."]
    assert row["label"] == 1.0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("train", LANGUAGES)
def test_the_language_of_xnli_is_an_option(
    language: str, train: str, roots: dict[str, Path], cache: Path
) -> None:
    options = (f"suite.language={language}", f"suite.train_language={train}")
    task = composed("xnli_tsv", "xnli", f"suite.root={roots['xnli_tsv']}", *options)
    for split, spoken in {"train": train, "dev": language}.items():
        rows = texts_of(task, split, cache)
        assert all(text.startswith(f"{spoken}: ") for text, _, _ in rows)
        assert {label for *_, label in rows} == {0.0, 1.0, 2.0}
        assert len(rows) == {"train": TRAIN, "dev": DEV}[split]
    test = final_split(task)
    assert test is not None
    assert len(test.load(str(cache))) == DEV


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "suite.language=xx",
            r"Change source\.keep of task 'xnli' \(language == 'xx'\): no row of",
        ),
        (
            "suite.train_language=xx",
            r"Change source\.train of task 'xnli': .*no file .*train.xx.tsv",
        ),
        (
            "suite.root=/nowhere",
            r"Change source\.train of task 'xnli', in which: .*no folder /nowh",
        ),
    ],
)
def test_what_is_not_there_of_xnli_is_one_sentence(
    options: str, message: str, roots: dict[str, Path], compose: Compose
) -> None:
    chosen = ("suite=xnli_tsv", f"suite.root={roots['xnli_tsv']}", "target_task=xnli", options)
    with pytest.raises(UserError, match=message):
        build(compose(*chosen))


BOOL, NLI = ClassLabel(names=["False", "True"]), ["entailment", "neutral", "contradiction"]
PAIR = {"premise": "p", "hypothesis": "h"}
# What the hub has of each, by name and config: a row, and the names of its labels.
ON_HUB: dict[tuple[str, str | None], tuple[dict[str, Any], ClassLabel]] = {
    ("aps/super_glue", "boolq"): ({"question": "q", "passage": "p", "idx": 0}, BOOL),
    ("aps/super_glue", "cb"): (
        {**PAIR, "idx": 0},
        ClassLabel(names=["entailment", "contradiction", "neutral"]),
    ),
    ("aps/super_glue", "copa"): (
        {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "idx": 0},
        ClassLabel(names=["choice1", "choice2"]),
    ),
    ("aps/super_glue", "multirc"): (
        {
            "paragraph": "p",
            "question": "q",
            "answer": "a",
            "idx": {"paragraph": 0, "question": 0, "answer": 0},
        },
        BOOL,
    ),
    ("aps/super_glue", "rte"): (
        {**PAIR, "idx": 0},
        ClassLabel(names=["entailment", "not_entailment"]),
    ),
    ("aps/super_glue", "wic"): ({"word": "w", "sentence1": "a", "sentence2": "b"}, BOOL),
    ("aps/super_glue", "wsc"): ({"text": "t", "span1_text": "Ada", "span2_text": "she"}, BOOL),
    ("facebook/xnli", "en"): (PAIR, ClassLabel(names=NLI)),
    ("facebook/xnli", "de"): (PAIR, ClassLabel(names=NLI)),
    ("nyu-mll/glue", "mnli"): (PAIR, ClassLabel(names=NLI)),
    ("nyu-mll/glue", "rte"): (
        {"sentence1": "a", "sentence2": "b"},
        ClassLabel(names=["entailment", "not_entailment"]),
    ),
    ("nyu-mll/glue", "qqp"): (
        {"question1": "a", "question2": "b"},
        ClassLabel(names=["not_duplicate", "duplicate"]),
    ),
    ("jhu-cogsci/hans", None): (PAIR, ClassLabel(names=["entailment", "non-entailment"])),
    ("google-research-datasets/paws", "labeled_final"): (
        {"id": 0, "sentence1": "a", "sentence2": "b"},
        ClassLabel(names=["0", "1"]),
    ),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Have the hub hold a row of every label; return the list of what is asked of it."""
    loaded: list[tuple[Any, ...]] = []

    def load_dataset(path: str, name: str | None, split: str, revision: str | None) -> Dataset:
        loaded.append((path, name, split, revision))
        row, label = ON_HUB[path, name]
        rows = [{**row, "label": at} for at in range(label.num_classes)]
        inferred = Dataset.from_list(rows).features
        return Dataset.from_list(rows, features=Features({**inferred, "label": label}))

    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    hub.load.cache_clear()
    hub.content_of.cache_clear()
    return loaded


@pytest.mark.parametrize(("suite", "task"), HUB)
def test_every_task_is_read_as_the_hub_has_it(
    suite: str, task: str, asked: list[tuple[Any, ...]], cache: Path
) -> None:
    read = composed(suite, task)
    for name, split in splits(read).items():
        rows = split.load(str(cache))
        number = 2 if name == "dev_hans" else len(read.labels or [])
        assert rows["label"][:] == [*map(float, range(number))], name
    assert {split for _, _, split, _ in asked} >= {"train"}


def test_hans_paws_and_languages_are_of_the_hub(asked: list[tuple[Any, ...]]) -> None:
    splits(composed("glue_ood", "mnli"))
    splits(composed("glue_ood", "qqp"))
    splits(composed("xnli", "xnli", "suite.language=de"))
    assert ("jhu-cogsci/hans", None, "validation", "refs/convert/parquet") in asked
    paws = "google-research-datasets/paws"
    assert (paws, "labeled_final", "validation", None) in asked
    xnli = {(name, split) for path, name, split, _ in asked if path == "facebook/xnli"}
    assert xnli == {("en", "train"), ("de", "validation")}


def saved(tmp_path: Path, stage: str, task: str) -> pd.DataFrame:
    return pd.read_parquet(tmp_path / "store" / stage / "predictions" / f"{task}.parquet")


def test_hans_is_scored_with_two_labels_and_chooses_nothing(
    run: Run, roots: dict[str, Path], tmp_path: Path
) -> None:
    root = f"suite.root={roots['glue_tsv_ood']}"
    more = ("target_task.metrics=[accuracy,macro_f1,log_loss]", "logger=csv", "eval_every=1000")
    chosen = ("target_task=mnli", "support_task=rte", "strategy=mtl")
    record = run("suite=glue_tsv_ood", root, *chosen, *more)
    rows = saved(tmp_path, record.stages[-1]["key"], "mnli")
    hans = rows[rows.split == "dev_hans"]
    assert set(hans.label) == {0, 1}
    logits = hans[["logit_0", "logit_1", "logit_2"]].to_numpy()
    assert hans.prediction.tolist() == logits.argmax(axis=1).clip(max=1).tolist()
    true, said = hans.label, hans.prediction
    assert record.metrics["accuracy_hans"] == pytest.approx(accuracy_score(true, said))
    expected = f1_score(true, said, average="macro")
    assert record.metrics["macro_f1_hans"] == pytest.approx(expected)
    logged = pd.read_csv(tmp_path / "job" / "metrics.csv")
    loss = logged["target/mnli/dev_hans/loss"].dropna().iloc[-1]
    assert record.metrics["log_loss_hans"] == pytest.approx(loss)
    assert "accuracy_mismatched" in record.metrics
    plain = run("suite=glue_tsv", root, *chosen, "eval_every=1000")
    assert plain.score == record.score


@pytest.mark.slow
def test_multirc_is_trained_exported_and_predicted_from_its_nested_file(
    command: Command, roots: dict[str, Path], tmp_path: Path
) -> None:
    root = roots["superglue_jsonl"]
    chosen = ("suite=superglue_jsonl", f"suite.root={root}", "target_task=multirc")
    places = (f"store_dir={tmp_path / 'store'}", "hydra.run.dir=job")
    done = command("debug=fast", *chosen, *places, "optim.lr=1e-2")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "job" / "result.json").read_text())
    rows = saved(tmp_path, record["stages"][-1]["key"], "multirc")
    dev = rows[rows.split == "dev"]
    crossed = dev.prediction_cross_fit
    halves = [f1_score(dev.label[dev.half == h], crossed[dev.half == h]) for h in (0, 1)]
    assert record["metrics"]["f1"] == pytest.approx(sum(halves) / 2)
    exported = command("job", "--out", "model", module="tlbench.cli.export")
    assert exported.returncode == 0, exported.stderr
    file = str(root / "MultiRC" / "test.jsonl")
    for model in ("model", "job"):
        out = f"{model}.csv"
        predicted = command(model, file, "--out", out, module="tlbench.cli.predict")
        assert predicted.returncode == 0, predicted.stderr
        assert len(pd.read_csv(tmp_path / out)) == 4 * 5
    assert (tmp_path / "model.csv").read_text() == (tmp_path / "job.csv").read_text()


@pytest.mark.parametrize(
    ("chosen", "key"),
    [
        (("target_task=boolq",), "target_task"),
        (("target_task=rte", "support_task=boolq", "strategy=mtl"), "support_task"),
        (("target_task=rte", "strategy=mtl_all", "strategy.tasks=[boolq]"), "strategy.tasks"),
    ],
)
def test_a_task_that_the_suite_lacks_is_one_sentence(
    chosen: tuple[str, ...], key: str, compose: Compose
) -> None:
    message = (
        rf"^Change {key}, or suite: suite=generated has no task 'boolq'; it has cola, .*wnli\.$"
    )
    with pytest.raises(UserError, match=message):
        build(compose(*chosen))
