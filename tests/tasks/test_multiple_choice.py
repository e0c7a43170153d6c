"""Multiple choice: rows from files, the loss, metrics, a forward of several kinds, one run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from sklearn.metrics import accuracy_score, log_loss
from torch.nn.functional import cross_entropy
from transformers import AutoModelForMultipleChoice, AutoTokenizer

from tests.support.commands import Command
from tests.support.experiments import Compose, Run
from tests.support.interrupting import LENGTH, SIZES
from tlbench.config.schema import Source, Task
from tlbench.data.batch import Batch
from tlbench.data.division import Division
from tlbench.data.overview import lines, overview
from tlbench.data.row_digests import row_digests
from tlbench.data.sources import splits
from tlbench.data.tokenization import tokenise
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.errors import UserError
from tlbench.export.predictions import with_columns
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.features import Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import head_name, kind_of
from tlbench.tasks.scores import collapsed, diverged, evaluate, majority_score
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.features import row_features

COPA = {"text": ["premise", "question"], "choices": ["choice1", "choice2"], "label": "label"}
METRICS = ["accuracy", "log_loss", "calibration_error"]
TINY = "package:tlbench/assets/tiny"


def task(labels: tuple[str, ...] = ("0", "1"), **source: Any) -> Task:
    made = Source(**{"format": "jsonl", **COPA, **source})
    return Task("t", [*labels], ["accuracy"], METRICS, made, kind="multiple_choice")


def random_rows(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels of rows of four choices, somewhat better than chance."""
    rng = np.random.default_rng(seed)
    labels = torch.tensor(rng.integers(0, 4, rows)).double()
    logits = torch.tensor(rng.normal(0, 1, (rows, 4))).float()
    return logits + torch.nn.functional.one_hot(labels.long(), 4), labels


FOUR = task(("0", "1", "2", "3"), choices=["a", "b", "c", "d"])


def test_metrics_are_scikit_learns_and_the_loss_is_over_the_choices_of_a_row() -> None:
    logits, labels = random_rows(200, 0)
    found = evaluate(FOUR, logits, labels)
    probabilities = logits.double().softmax(dim=1).numpy()
    assert found["accuracy"] == pytest.approx(accuracy_score(labels, logits.argmax(dim=1)))
    assert found["log_loss"] == pytest.approx(log_loss(labels, probabilities))
    losses = kind_of(FOUR).losses(logits, labels.float())
    assert torch.allclose(losses, cross_entropy(logits, labels.long(), reduction="none"))


def test_the_majority_is_a_place_and_one_place_for_all_rows_has_collapsed() -> None:
    logits, labels = random_rows(50, 1)
    train = torch.tensor([2.0, 2.0, 1.0])
    assert majority_score(FOUR, train, labels) == pytest.approx(float((labels == 2).float().mean()))
    assert not collapsed(FOUR, logits)
    assert collapsed(FOUR, torch.tensor([[2.0, 1, 1, 1], [9.0, 8, 1, 1]]))
    assert not diverged(FOUR, logits, labels)
    assert diverged(FOUR, logits * 1e4, labels)


def test_tasks_of_any_number_of_choices_share_a_head_and_no_others() -> None:
    assert {head_name(one, "per_label_count") for one in (task(), FOUR)} == {"choices_1"}
    assert head_name(FOUR, "per_task") == "t"


ROW = {"premise": "It rained.", "question": "effect", "choice1": "Wet.", "choice2": "Dry."}
EXPECTED = {"text_a": "It rained.", "choices": ["effect Wet.", "effect Dry."], "label": 1.0}


def written(folder: Path, *rows: dict[str, Any], name: str = "train") -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


def read(one: Task) -> list[dict[str, Any]]:
    return list(
        splits(replace(one, source=replace(one.source, dev=one.source.train)))["train"].make()
    )


@pytest.mark.parametrize("label", [1, "1"])
def test_choices_are_a_column_each_and_a_second_text_is_before_every_one(
    tmp_path: Path, label: Any
) -> None:
    path = written(tmp_path, {**ROW, "label": label})
    assert read(task(path=path, train="train.jsonl")) == [EXPECTED]


def test_labels_are_written_as_values_say_in_a_csv_too(tmp_path: Path) -> None:
    pd.DataFrame([{**ROW, "label": "b"}]).to_csv(tmp_path / "train.csv", index=False)
    one = task(format="csv", path=str(tmp_path), train="train.csv", values=["a", "b"])
    assert read(one) == [EXPECTED]


def test_choices_are_one_column_of_lists_after_a_template(tmp_path: Path) -> None:
    rows = [{"q": "What", "c": "Here.", "endings": ["x", "y"], "label": 0}]
    written(tmp_path, *rows)
    pd.DataFrame(rows).to_parquet(tmp_path / "train.parquet")
    for name in ("jsonl", "parquet"):
        one = task(format=name, path=str(tmp_path), train=f"train.{name}", choices=["endings"])
        one = replace(one, source=replace(one.source, text=[], template=["{c} {q}?"]))
        assert read(one) == [{"text_a": "Here. What?", "choices": ["x", "y"], "label": 0.0}]


def test_labels_are_class_labels_of_datasets(tmp_path: Path) -> None:
    text = {name: Value("string") for name in ROW}
    features = Features({**text, "label": ClassLabel(names=["choice1", "choice2"])})
    one = Dataset.from_list([{**ROW, "label": 1}], features=features)
    DatasetDict({"train": one}).save_to_disk(tmp_path / "saved")
    made = task(("choice1", "choice2"), format="hub", path=str(tmp_path / "saved"), train="train")
    assert read(made) == [EXPECTED]


LIST = {"choices": ["c"]}


@pytest.mark.parametrize(
    ("source", "row", "message"),
    [
        ({}, {"choice2": None, "label": 2}, "known are 0, 1"),
        (
            {"choices": ["choice1", "choice3"]},
            {"label": 1},
            "Change source.text, source.choices or source.label of task 't': .*line 1 has no "
            "column 'choice3'",
        ),
        (LIST, {"c": [], "label": 0}, "Change the rows of task 't', or labels .* has 0 choices"),
        (LIST, {"c": ["x"] * 3, "label": 0}, "line 1 has 3 choices, and each row is to have 2"),
        (
            LIST,
            {"c": "['x', 'y']", "label": 0},
            "column 'c' has .* where a list of choices belongs",
        ),
        (LIST, {"c": ["x", ["y"]], "label": 0}, "where a text belongs"),
        ({}, {"label": None}, "has nothing in column 'label'"),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, source: dict[str, Any], row: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, {**ROW, **row})
    with pytest.raises(UserError, match=message):
        read(task(path=path, train="train.jsonl", **source))


@pytest.mark.parametrize(
    ("change", "source", "message"),
    [
        ({"labels": ["0"]}, {}, "Change labels of task 't': name the places of two or more"),
        ({"labels": ["0", "0"]}, {}, "Change labels of task 't'"),
        ({}, {"choices": None}, "Set source.choices of task 't'"),
        ({}, {"choices": ["a", "b", "c"]}, "Change source.choices of task 't': name a different"),
        ({}, {"choices": ["a", "a"]}, "Change source.choices of task 't': name a different"),
        (
            {},
            {"choices": ["label", "a"]},
            "source.choices of task 't': 'label' is the column of a l",
        ),
        ({}, {"values": ["a"]}, "Change source.values of task 't'"),
        ({"metrics": ["accuracy", "macro_f1"]}, {}, "metrics or score of task 't'"),
        ({"positive": "1"}, {}, "Change positive of task 't' to null"),
        ({"kind": None}, {}, "Change source.choices of task 't' to null: .* multiple_choice tasks"),
    ],
)
def test_what_does_not_go_together_is_refused(
    change: dict[str, Any], source: dict[str, Any], message: str
) -> None:
    check_task(task())
    one = task()
    with pytest.raises(UserError, match=message):
        check_task(replace(one, source=replace(one.source, **source), **change))


ROWS = [
    {"text_a": "it is", "choices": ["good .", "bad ."], "label": 0.0},
    {"text_a": "it is", "choices": ["bad .", "good ."], "label": 1.0},  # the same row
    {"text_a": "it is", "choices": ["Good", "bad"], "label": 1.0},
    {"text_a": "it is", "choices": ["good .", "bad ."], "label": 1.0},  # and another answer
    {"text_a": "it is", "choices": ["good . " * 9, ""], "label": 0.0},
]


def test_choices_are_texts_of_their_row_in_any_order(tmp_path: Path) -> None:
    rows, one = Dataset.from_list(ROWS), task(choices=["c"])
    digests = row_digests(rows, str(tmp_path))
    assert [digests["exact"].index(value) for value in digests["exact"]] == [0, 0, 2, 0, 4]
    assert len({*digests["normalised"]}) == 2
    assert [*digests["empty"]] == [False] * 4 + [True]
    tokenizer = load_tokenizer(TINY, None)
    tokens = tokenise(rows, tokenizer, 16, str(tmp_path))
    split = TokenizedSplit(one, "train", tokens, np.arange(5))
    pairs = [([r["text_a"]] * 2, r["choices"]) for r in ROWS]
    uncut = [[*map(len, tokenizer(*pair)["input_ids"])] for pair in pairs]
    assert split.lengths.tolist() == [min(16, max(of_row)) for of_row in uncut]
    seen = overview(rows, split, tokenizer, str(tmp_path))
    assert (seen["duplicates"], seen["contradictory"], seen["empty"]) == (2, 1, 1)
    assert seen["labels"] == {"0": 2, "1": 3}
    assert (seen["cut"], seen["tokens_cut"]) == (1, max(uncut[4]) - 16)
    assert seen["tokens"] + seen["tokens_cut"] == sum(map(sum, uncut))
    assert "0 2, 1 3" in lines("t", "train", seen)[0]


def test_rows_with_the_same_choices_are_cut_to_one_side() -> None:
    texts = [(f"context {i % 20}", ["yes", "no"] if i < 20 else ["No", "yes"]) for i in range(40)]
    rows = [
        {"text_a": text, "choices": c, "label": float(i < 20)} for i, (text, c) in enumerate(texts)
    ]
    sides = Division({"dev": 0.25}, 0, True).side_of_rows(rows)
    assert (sides[:20] == sides[20:]).all()
    assert sides.sum() == 10


def mixed(compose: Compose, *overrides: str) -> tuple[MultiTaskDataModule, Batch]:
    tasks = ("target_task=causes", "strategy=mtl_many", "strategy.tasks=[sst2,mentions]")
    data = MultiTaskDataModule(build(compose(*tasks, *overrides)).plan()[-1])
    data.setup()
    return data, next(iter(data.train_dataloader()))


def model_of(data: MultiTaskDataModule, kernels: Kernels) -> MultiTaskModel:
    torch.manual_seed(0)
    tasks = [rows.task for rows in data.train]
    model = MultiTaskModel(load_encoder(data.config.encoder), tasks, data.config.heads)
    model.use(kernels)
    return model.train(False)


@pytest.mark.parametrize("features", ["plain", "unpadded", "first_token"])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_each_choice_is_a_pair_of_one_forward_of_all_kinds(
    compose: Compose, features: Any, on_cpu: bool
) -> None:
    """On tensors of a CPU, ``unpadded`` off it is the path of a GPU: jagged rows."""
    data, batch = mixed(compose)
    model = model_of(data, Kernels(features, on_cpu))
    (at,) = [place for place, rows in enumerate(data.train) if rows.task.name == "causes"]
    logits = model(batch.inputs, batch.counts, batch.lengths, batch.words)
    assert [one.shape[-1] for one in logits] == [kind_of(rows.task).outputs for rows in data.train]
    rows = splits(data.train[at].task)["train"].load(data.config.cache_dir)
    plain = model_of(data, Kernels("plain", on_cpu=False))
    first = sum(batch.counts[:at])
    for row in range(batch.counts[at]):
        texts = rows[int(batch.ids[first + row])]
        pairs = [[texts["text_a"]] * 3, texts["choices"]]
        tokens = data.tokenizer(*pairs, padding=True, return_tensors="pt")
        hidden = plain.encoder(**tokens).last_hidden_state[:, 0]
        assert torch.allclose(logits[at][row], plain.heads["head_causes"](hidden)[:, 0], atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3, None])
def test_micro_batches_have_the_loss_and_gradient_of_the_batch(
    compose: Compose, rows: int | None
) -> None:
    data, batch = mixed(compose)
    model = model_of(data, Kernels("plain", on_cpu=False))
    whole = model.loss(batch)
    whole.backward()
    gradient = model.encoder.embeddings.word_embeddings.weight.grad.clone()
    model.zero_grad()
    pieces = list(batch.micro_batches(rows))
    total = sum(model.loss(piece) for piece in pieces)
    total.backward()
    assert torch.allclose(total, whole, atol=1e-6)
    assert torch.allclose(model.encoder.embeddings.word_embeddings.weight.grad, gradient, atol=1e-6)
    by_task = sum(float(model.loss(piece).detach()) for _, piece in batch.by_task())
    assert by_task == pytest.approx(float(whole.detach()), abs=1e-5)


@pytest.mark.parametrize("method", ["sum", "pcgrad"])
def test_no_forward_has_more_tokens_than_it_may(compose: Compose, method: str) -> None:
    limits = ("micro_batch_tokens=192", "eval_batch_size=4", "encoder.max_length=32")
    data, batch = mixed(compose, f"method={method}", *limits)
    pieces = list(batch.micro_batches(16))
    assert sum(len(piece.ids) for piece in pieces) == len(batch.ids)
    for piece in pieces:
        assert len(piece.ids) == 1 or piece.inputs["input_ids"].numel() <= 192
        assert piece.inputs["attention_mask"].sum(1).tolist() == list(piece.lengths)
    loaders = data.val_dataloader()
    (at,) = [place for place, rows in enumerate(data.evaluated) if rows.task.name == "causes"]
    lengths = [evaluated.lengths for evaluated in loaders[at]]
    assert all(len(of_batch) * max(of_batch) <= 4 * 32 for of_batch in lengths)
    assert {len(of_batch) for of_batch in lengths} <= {3, 6, 9}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [("strategy=stilts",), ("strategy=merge", "merging=regmean")])
def test_every_strategy_trains_it_after_a_task_of_another_kind(
    run: Run, strategy: tuple[str, ...]
) -> None:
    record = run("target_task=causes", "support_task=sst2", "optim.lr=1e-3", *strategy)
    assert record.status == "done"
    assert record.score is not None


def test_to_predictors_each_choice_is_a_row_that_is_right_or_not(compose: Compose) -> None:
    one = build(compose("target_task=causes", *SIZES, *LENGTH)).plan()[-1]
    (subset,) = one.subsets
    found = row_features(one, subset, rows=20)
    rows = splits(subset.task)["train"].load(one.config.cache_dir)
    used = next(MultiTaskDataModule(one).splits_of(subset)).used[:20]
    right = [[float(place == rows[int(at)]["label"]) for place in range(3)] for at in sorted(used)]
    assert found.labels.tolist() == np.ravel(right).tolist()
    assert len(found.first) == len(found.mean) == 60


@pytest.mark.parametrize(
    ("texts", "choices", "message"),
    [
        (["a"], [], "Change --text: 't' has 2 texts a row"),
        ([], ["a", "b", "c"], "Change --choices: 't' has 2 a row, or one list of them"),
    ],
)
def test_other_columns_are_as_many(texts: list[str], choices: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        with_columns(task(), texts, choices)


def test_choices_of_a_task_without_are_refused() -> None:
    other = Task("c", ["a", "b"], ["accuracy"], ["accuracy"], Source("csv", text=["x"]))
    with pytest.raises(UserError, match="Leave out --choices: 'c' has none"):
        with_columns(other, [], ["a", "b"])


DEFINITION = """
name: endings
kind: multiple_choice
labels: ['0', '1', '2']
score: [accuracy]
metrics: [accuracy, log_loss]
source:
  path: endings.csv
  text: [sent1, sent2]
  choices: [ending0, ending1, ending2]
  label: label
  dev: 0.2
  test: 0.1
"""


@pytest.fixture
def endings(tmp_path: Path) -> pd.DataFrame:
    """Rows like SWAG's in which a word tells the right ending, beside the task's definition."""
    rng = np.random.default_rng(0)
    words = [["good", "great"], ["dull", "weak"]]
    rows = []
    for number in range(300):
        label = rng.integers(3)
        said = [f"is {rng.choice(words[int(place != label)])} ." for place in range(3)]
        begin = {"sent1": f"the film {number} is loud .", "sent2": rng.choice(["the plot", "it"])}
        rows.append({**begin, **{f"ending{i}": e for i, e in enumerate(said)}, "label": label})
    table = pd.DataFrame(rows)
    table.to_csv(tmp_path / "endings.csv", index=False)
    (tmp_path / "conf" / "target_task").mkdir(parents=True)
    (tmp_path / "conf" / "target_task" / "endings.yaml").write_text(DEFINITION)
    return table


def assert_are_scored(file: Path, found: dict[str, float], split: str) -> None:
    """Assert that saved predictions are those of the logits, and have the metrics of a record."""
    saved = pd.read_parquet(file)
    rows = saved[saved.split == split]
    logits = rows[[f"logit_{i}" for i in range(3)]].to_numpy(float)
    assert (rows.prediction == logits.argmax(axis=1)).all()
    assert accuracy_score(rows.label, rows.prediction) == pytest.approx(found["accuracy"])
    probabilities = torch.tensor(logits).softmax(dim=1).numpy()
    assert log_loss(rows.label, probabilities) == pytest.approx(found["log_loss"])


def by_transformers(folder: Path, table: pd.DataFrame) -> np.ndarray:  # type: ignore[type-arg]
    """Return the probabilities of choices by plain transformers, (rows, 3)."""
    model = AutoModelForMultipleChoice.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for row in table.to_dict("records"):
        endings = [f"{row['sent2']} {row[f'ending{i}']}" for i in range(3)]
        options = {"truncation": True, "padding": True, "return_tensors": "pt"}
        tokens = tokenizer([row["sent1"]] * 3, endings, **options)
        with torch.inference_mode():
            found.append(model(**{k: v[None] for k, v in tokens.items()}).logits[0])
    return torch.stack(found).double().softmax(dim=1).numpy()


@pytest.mark.slow
def test_from_endings_to_predictions_by_command_line(
    command: Command, tmp_path: Path, endings: pd.DataFrame
) -> None:
    options = ("suite=generated", "encoder=tiny", "logger=none", "store_dir=store")
    length = ("selection=dev", "optim.lr=3e-3", "trainer.max_steps=40", "batch_size=16")
    mix = ("target_task=endings", "support_task=sst2", "strategy=mtl", "subsample_size.support=60")
    ran = command("--config-dir", "conf", *options, *length, *mix)
    assert ran.returncode == 0, ran.stderr
    (record,) = (tmp_path / "multirun").rglob("result.json")
    (made,) = (tmp_path / "store").glob("*/stage.json")
    found = json.loads(record.read_text())
    assert_are_scored(made.parent / "predictions" / "endings.parquet", found["metrics"], "dev")
    (of_test,) = (made.parent / "test").glob("*/predictions/endings.parquet")
    assert_are_scored(of_test, found["test"]["metrics"], "test")
    exported = command(str(record.parent), "--out", "model", module="tlbench.cli.export")
    assert exported.returncode == 0, exported.stderr
    expected = by_transformers(tmp_path / "model", endings)
    lists = endings[["sent1", "sent2"]].assign(
        options=endings[[f"ending{i}" for i in range(3)]].values.tolist()
    )
    lists.to_json(tmp_path / "lists.jsonl", orient="records", lines=True)
    for file, more in (("endings.csv", ()), ("lists.jsonl", ("--choices", "options"))):
        told = command("model", file, "--out", f"said-{file}", *more, module="tlbench.cli.predict")
        assert told.returncode == 0, told.stderr
    by_column = pd.read_csv(tmp_path / "said-endings.csv")
    by_list = pd.read_json(tmp_path / "said-lists.jsonl", lines=True)
    for said in (by_column, by_list):
        probabilities = said[[f"probability_{i}" for i in range(3)]].to_numpy()
        assert np.abs(probabilities - expected).max() <= 1e-5
        assert (said.prediction.astype(int) == expected.argmax(axis=1)).all()
    assert len({*by_column.prediction}) == 3
    card = (tmp_path / "model" / "README.md").read_text()
    assert "AutoModelForMultipleChoice" in card
    assert "says which of 3 choices is right" in card
    wrong = command("model", "lists.jsonl", module="tlbench.cli.predict")
    assert wrong.returncode == 1
    assert "Change --text or --choices" in wrong.stderr
    assert "has no column 'ending0'" in wrong.stderr
