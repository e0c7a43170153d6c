"""Multilabel tasks: labels from files, the loss, metrics as scikit-learn's, thresholds, one run."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import pipeline

from tests.support.commands import Command
from tests.support.experiments import Compose
from tlbench.analysis import bootstrap_metrics
from tlbench.analysis.bootstrap_metrics import Said
from tlbench.analysis.confusion import errors_of
from tlbench.analysis.row_noise import deviations
from tlbench.config.schema import Loss, Source, Task
from tlbench.data.division import Division
from tlbench.data.overview import lines, overview
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.predictors.knn import knn
from tlbench.predictors.logme import logme
from tlbench.records.predictions import Saved
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import head_name, kind_of
from tlbench.tasks.multilabel import Multilabel
from tlbench.tasks.scores import collapsed, diverged, evaluate, majority_score
from tlbench.training.datamodule import MultiTaskDataModule

METRICS = ["micro_f1", "macro_f1", "sample_f1", "accuracy", "hamming_loss"]
LABELS = ["toxic", "insult", "threat"]


def task(labels: int = 3, score: str = "micro_f1", **more: Any) -> Task:
    names = [f"label{i}" for i in range(labels)]
    return Task("t", names, [score], METRICS, Source("generated"), kind="multilabel", **more)


def random_rows(rows: int, labels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels, of which some rows and some labels have none."""
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, labels)) < rng.choice([0, 0.1, 0.5], labels)
    return torch.tensor(rng.normal(-1, 2, (rows, labels))), torch.tensor(truth).double()


def scikit_learns(labels: Any, said: Any) -> dict[str, float]:
    def f1(average: str, zero_division: float) -> float:
        return float(metrics.f1_score(labels, said, average=average, zero_division=zero_division))

    return {
        "micro_f1": f1("micro", math.nan),
        "macro_f1": f1("macro", math.nan),
        "sample_f1": f1("samples", 1.0),
        "accuracy": float(metrics.accuracy_score(labels, said)),
        "hamming_loss": float(metrics.hamming_loss(labels, said)),
    }


@settings(max_examples=50)
@given(st.integers(2, 5), st.integers(1, 60), st.integers(0, 10**6), st.sampled_from([0.5, 0.2]))
def test_metrics_are_scikit_learns(labels: int, rows: int, seed: int, threshold: float) -> None:
    logits, truth = random_rows(rows, labels, seed)
    said = (logits.sigmoid() >= threshold).int().numpy()
    expected = scikit_learns(truth.int().numpy(), said)
    found = evaluate(task(labels, threshold=threshold), logits, truth)
    assert found.pop("score") == pytest.approx(expected["micro_f1"], nan_ok=True)
    assert found == pytest.approx(expected, nan_ok=True)


@settings(max_examples=25)
@given(st.integers(2, 4), st.integers(2, 30), st.integers(0, 10**6))
def test_metrics_of_resamples_are_those_of_the_rows_that_are_drawn(
    labels: int, rows: int, seed: int
) -> None:
    logits, truth = random_rows(rows, labels, seed)
    predictions = (logits > 0).double().numpy()
    drawn = np.random.default_rng(seed).integers(rows, size=(3, rows))
    weights = np.array([np.bincount(one, minlength=rows) for one in drawn], float)
    runs = np.array([predictions, 1 - predictions])
    for name in METRICS[:-1]:
        found = bootstrap_metrics.score(name, Said(truth.numpy(), runs), weights)
        assert found.shape == (2, 3)
        for at, one in enumerate(drawn):
            expected = scikit_learns(truth.numpy()[one], predictions[one])[name]
            assert found[0, at] == pytest.approx(expected, nan_ok=True), name


@pytest.mark.parametrize("metric", ["sample_f1", "accuracy", "micro_f1", "macro_f1+sample_f1"])
def test_scores_vary_with_the_rows_as_with_many_resamples(metric: str) -> None:
    """Means over rows have an exact variance, which the bootstrap of the others comes near."""
    logits, truth = random_rows(200, 3, 5)
    labels, said = truth.numpy(), (logits + 2 * truth > 0).double().numpy()
    vectors = deviations(metric, [Saved(np.arange(200), labels, said)])
    assert vectors is not None
    drawn = np.random.default_rng(1).integers(200, size=(2000, 200))
    weights = np.array([np.bincount(one, minlength=200) for one in drawn], float)
    resampled = bootstrap_metrics.score(metric, Said(labels, said[None]), weights)
    assert np.linalg.norm(vectors[0]) == pytest.approx(resampled.std(), rel=0.1)


def test_the_loss_is_the_mean_over_labels_of_binary_cross_entropy() -> None:
    """At chance it is that of two classes, however many labels there are."""
    logits, truth = random_rows(20, 4, 0)
    losses = kind_of(task(4)).losses(logits, truth)
    expected = binary_cross_entropy_with_logits(logits.float(), truth.float())
    assert losses.shape == (20,)
    assert losses.mean().item() == pytest.approx(expected.item())
    of_zero = kind_of(task(100)).losses(torch.zeros(1, 100), torch.ones(1, 100))
    of_two = cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    assert of_zero.item() == pytest.approx(of_two.item())


def test_the_majority_is_the_constant_that_scores_best_on_train() -> None:
    """A label that half of the rows lack may be in it: F1 of no label would be 0."""
    train = torch.tensor([[1.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    kind = kind_of(task())
    assert kind.constant(train).tolist() == [1, 1, 0]  # F1 of one label 0.6, of two 0.667
    assert kind_of(task(score="accuracy")).constant(train).tolist() == [1, 0, 0]
    assert majority_score(task(), train, train) == pytest.approx(2 * 5 / (10 + 5))
    shares = kind.constant_probabilities(train)
    assert shares is not None
    assert shares.tolist() == pytest.approx([0.6, 0.4, 0])


def test_a_task_of_thousands_of_labels_has_a_majority_too() -> None:
    train = torch.zeros(3, 5000).double()
    train[:, :7] = 1
    assert kind_of(task(5000)).constant(train).sum() == 7


def test_one_prediction_for_all_rows_has_collapsed_and_large_logits_have_diverged() -> None:
    logits, truth = torch.tensor([[2.0, -3, 1], [5, -1, 4]]), torch.zeros(2, 3).double()
    assert collapsed(task(), logits)
    assert not collapsed(task(), torch.tensor([[2.0, -3, 1], [5, 1, 4]]))
    assert not diverged(task(), logits, truth)
    assert diverged(task(), 1000 * logits, truth)
    assert diverged(task(), math.nan * logits, truth)


def test_held_out_rows_choose_the_threshold_that_scores_best() -> None:
    logits, truth = random_rows(400, 3, 1)
    logits = logits + 3 * truth - 2
    chosen = kind_of(task(threshold="held_out")).chosen_threshold(logits, truth)
    assert chosen is not None
    by_threshold = {
        step / 20: evaluate(task(threshold=step / 20), logits, truth)["score"]
        for step in range(1, 20)
    }
    assert by_threshold[chosen] == max(by_threshold.values()) > by_threshold[0.5]


def test_of_equal_thresholds_it_is_the_one_nearest_to_a_half_and_else_there_is_none() -> None:
    logits, truth = torch.tensor([[9.0, -9], [-9, 9]]), torch.eye(2)
    assert kind_of(task(2, threshold="held_out")).chosen_threshold(logits, truth) == 0.5
    assert kind_of(task(2, threshold=0.3)).chosen_threshold(logits, truth) is None


def read(file: Path, **source: Any) -> list[list[float]]:
    """Return the labels of a file's rows."""
    path = {"path": str(file), "text": ["text"], "dev": str(file.name), "label": "labels", **source}
    one = Task("t", LABELS, ["micro_f1"], METRICS, Source(**path), kind="multilabel")
    check_task(one)
    rows = splits(one)["dev"].make()
    return [row["label"] for row in rows]


def test_a_separator_at_the_end_is_between_nothing(tmp_path: Path) -> None:
    rows = written(tmp_path, "rows.csv", "text,labels", "a,toxic;", "b,; ;", "c,threat; toxic ;")
    flags = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    assert read(rows, separator=";", strip=True) == flags


EXPECTED = [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
NAMES = [["threat", "toxic"], [], ["insult"]]


def written(folder: Path, name: str, *text: str) -> Path:
    file = folder / name
    file.write_text("\n".join(text) + "\n")
    return file


def test_labels_are_a_list_in_json_lines_and_parquet(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "labels": names} for i, names in enumerate(NAMES)]
    jsonl = written(tmp_path, "rows.jsonl", *map(json.dumps, rows))
    pd.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    assert read(jsonl) == read(tmp_path / "rows.parquet") == EXPECTED


def test_labels_are_a_text_with_a_separator(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "text,labels", "one,toxic;threat", "two,", "three,insult")
    assert read(file, separator=";") == EXPECTED
    spaced = written(tmp_path, "b.csv", "text,labels", 'a,"toxic, threat"', "b,", "c,insult")
    assert read(spaced, separator=",", strip=True) == EXPECTED
    numbers = written(tmp_path, "c.csv", "text,labels", "a,0|2", "b,", "c,1")
    assert read(numbers, separator="|", values=["0", "1", "2"]) == EXPECTED


def test_labels_are_a_column_of_0_and_1_each(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "text,a,b,c", "one,1,0,1", "two,0,0,False", "three,0,1.0,0")
    assert read(file, label=None, label_columns=["a", "b", "c"]) == EXPECTED


def test_labels_are_a_list_of_class_labels_of_datasets(tmp_path: Path) -> None:
    names = ClassLabel(names=["threat", "toxic", "insult"])
    features = Features({"text": Value("string"), "labels": Sequence(names)})
    rows = {"text": ["a", "b", "c"], "labels": [[1, 0], [], [2]]}
    DatasetDict({"dev": Dataset.from_dict(rows, features)}).save_to_disk(tmp_path / "saved")
    source = Source(path=str(tmp_path / "saved"), train="dev", dev="dev", text=["text"])
    source.label = "labels"
    one = Task("t", LABELS, ["micro_f1"], METRICS, source, kind="multilabel")
    assert [row["label"] for row in splits(one)["dev"].make()] == EXPECTED


@pytest.mark.parametrize(
    ("rows", "source", "message"),
    [
        (
            ("text,labels", "a,toxic", "b,toxic;rude"),
            {"separator": ";"},
            r"Change labels \(or source\.values\) of task 't', .*bad\.csv, line 3 has the label "
            "'rude', known are toxic, insult, threat",
        ),
        (
            ("text,labels", "a,toxic; insult"),
            {"separator": ";"},
            "Change source.strip to true of task 't'.* line 2 has the label ' insult'",
        ),
        (
            ("text,labels", "a,toxic;insult"),
            {},
            "set source.separator to what is between two labels: .*bad.csv, line 2 has "
            "'toxic;insult' where a list belongs",
        ),
        (
            ("text,labels", "a,toxic", "b,toxic;insult"),
            {"separator": "|"},
            r"Change source.separator of task 't': .*line 3 has 'toxic;insult' where one of toxic, "
            r"insult, threat belongs, between two '\|'",
        ),
        (
            ("text,labels", "a,['toxic']"),
            {"separator": ";"},
            r"Change source.path of task 't': .*line 2 has \"\['toxic'\]\" where no list as a text",
        ),
        (
            ("text,labels", "a,0;0;1"),
            {"separator": ";", "values": ["0", "1", "2"]},
            r"Change source.label of task 't': .*line 2 has \['0', '0', '1'\] where a list of "
            r"names belongs; 0 or 1 of each label are read from a column each, source.label_colu",
        ),
        (
            ("text,labels", "a,toxic"),
            {"label": None},
            "Set source.label of task 't' to the column of the label",
        ),
        (
            ("text,x,y,z", "a,1,0,0", "b,1,-1,0"),
            {"label": None, "label_columns": ["x", "y", "z"]},
            "Change source.label_columns of task 't': .*bad.csv, line 3 has '-1' in column 'y' "
            "where 0 or 1 belongs",
        ),
        (
            ("text,x,y", "a,1,0"),
            {"label": None, "label_columns": ["x", "y", "z"]},
            "Change source.text or source.label_columns of task 't': .*line 2 has no column 'z'",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, rows: tuple[str, ...], source: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        read(written(tmp_path, "bad.csv", *rows), **source)
    assert "\n" not in str(raised.value)


def test_no_list_at_all_is_a_label_that_is_missing(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.jsonl", '{"text": "a", "labels": null}')
    with pytest.raises(UserError, match="line 1 has nothing in column 'labels'"):
        read(file)


@pytest.mark.parametrize(
    ("more", "source", "message"),
    [
        ({"labels": ["a"]}, {}, "Change labels of task 't': give two or more"),
        ({"labels": ["a", "a"]}, {}, "Change labels of task 't': one is there twice"),
        ({"loss": Loss(focal=2.0)}, {}, "Change loss.focal of task 't' to null: .* classif"),
        ({"loss": Loss("balanced")}, {}, "Change loss.class_weights of task 't' to null"),
        ({"positive": "a"}, {}, "Change positive of task 't' to null"),
        ({"kind": None, "threshold": 0.3}, {}, "Change threshold of task 't' to 0.5: it is of mul"),
        ({"kind": None}, {"separator": ";"}, "Change source.separator of task 't' to null: it is"),
        ({}, {"label_columns": ["x", "y"]}, "Leave out source.label of task 't'"),
        ({}, {"values": ["1"]}, "Change source.values of task 't': give a different one for each"),
        (
            {},
            {"label": None, "label_columns": ["x", "x"]},
            "Change source.label_columns of task 't': give a different one for each",
        ),
        (
            {},
            {"label": None, "label_columns": ["x", "y"], "separator": ";"},
            "Leave out source.separator of task 't': source.label_columns hold 0 or 1",
        ),
        ({}, {"separator": ""}, "Change source.separator of task 't': give one character"),
        (
            {"labels": ["a", "b;c"]},
            {"separator": ";"},
            "Change source.separator of task 't': it is a part of 'b;c'",
        ),
        (
            {
                "score": ["hits"],
                "metrics": ["hits"],
                "threshold": "held_out",
                "more_metrics": {
                    "hits": {
                        "_target_": "torchmetrics.classification.MultilabelAccuracy",
                        "num_labels": 2,
                    }
                },
            },
            {},
            "Change threshold of task 't' to a number: held-out rows choose it by a score of micro",
        ),
        ({"score": ["hamming_loss"]}, {}, "Change score of task 't': less is better"),
    ],
)
def test_what_does_not_go_together_is_refused(
    more: dict[str, Any], source: dict[str, Any], message: str
) -> None:
    names = ["accuracy", "hamming_loss"] if "kind" not in more else ["accuracy"]
    given = {"labels": ["a", "b"], "score": ["accuracy"], "metrics": names, "kind": "multilabel"}
    where = Source(**{"format": "csv", "text": ["text"], "label": "label", **source})
    with pytest.raises(UserError, match=message):
        check_task(Task("t", source=where, **{**given, **more}))


def test_a_cut_stratifies_rows_by_the_rarest_of_their_labels() -> None:
    labels = [[1.0, 0.0, 0.0]] * 60 + [[1.0, 1.0, 0.0]] * 20 + [[0.0, 0.0, 0.0]] * 20
    rows = [{"text_a": f"text {i}", "label": label} for i, label in enumerate(labels)]
    for seed in range(5):
        sides = Division({"dev": 0.2}, seed, has_classes=True).side_of_rows(rows)
        in_dev = np.array(labels)[sides == 1]
        assert in_dev.sum(axis=0).tolist() == [16, 4, 0]
        assert (~in_dev.any(axis=1)).sum() == 4


def test_heads_that_tasks_share_are_of_one_kind() -> None:
    classes = Task("c", ["a", "b", "c"], ["accuracy"], ["accuracy"], Source("generated"))
    assert head_name(task(), "per_label_count") != head_name(classes, "per_label_count")
    assert head_name(task(), "per_label_count") == head_name(task(), "per_label_count")


def test_scores_by_label_are_scikit_learns() -> None:
    logits, truth = random_rows(60, 3, 2)
    said = (logits > 0).double()
    found: Any = errors_of([Saved(np.arange(60), truth.numpy(), said.numpy())], ["a", "b", "c"])
    p, r, f, rows = metrics.precision_recall_fscore_support(truth, said, zero_division=0)
    has = rows > 0
    assert found.rows.tolist() == rows.tolist()
    assert found.precision == pytest.approx(p)
    assert found.recall[has] == pytest.approx(r[has])
    assert found.f1[has] == pytest.approx(f[has])


def test_predictors_rank_features_that_tell_the_labels_higher() -> None:
    _, truth = random_rows(80, 4, 3)
    labels = truth.numpy()
    noise = np.random.default_rng(0).normal(size=(80, 4))
    for judge in (logme, knn):
        assert judge(labels + 0.1 * noise, labels, True) > judge(noise, labels, True)


def test_a_look_at_the_rows_counts_each_label_and_the_rows_without(
    compose: Compose, cache: Path
) -> None:
    experiment = build(compose("target_task=topics"))
    data = MultiTaskDataModule(experiment.plan()[-1])
    (train, dev) = data.splits_of(experiment.target)
    rows = splits(experiment.target.task)["train"].load(str(cache))
    seen = overview(rows, train, data.tokenizer, str(cache))
    labels = np.array(rows["label"])[train.used]
    assert list(seen["labels"].values()) == labels.sum(axis=0).tolist()
    without = int((~labels.any(axis=1)).sum())
    assert seen["unlabelled"] == without > 0
    assert f"; {without} without a label" in lines("topics", "train", seen)[0]
    assert train.used_labels.tolist() == labels.tolist()
    assert dev.used_labels.shape == (64, 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abc", "'abc' is not one of held_out, a number"),
        ("null", "'None' is not one of held_out, a number"),
        ("0", "0 is not a number more than 0"),
        ("1", "1 is not less than 1"),
    ],
)
def test_a_threshold_is_a_number_between_0_and_1(
    compose: Compose, value: str, message: str
) -> None:
    with pytest.raises(UserError, match=f"Change target_task.threshold: {message}"):
        build(compose("target_task=topics", f"++target_task.threshold={value}"))


def test_a_threshold_is_chosen_only_where_rows_are_held_out(compose: Compose) -> None:
    with pytest.raises(UserError, match="Change selection to held_out, or threshold of task 'top"):
        build(compose("target_task=topics", "++target_task.threshold=held_out")).plan()


WORDS = {"toxic": "awful", "insult": "stupid", "threat": "soon"}
DEFINITION = """
name: comments
kind: multilabel
labels: [toxic, insult, threat]
threshold: held_out
score: [micro_f1, sample_f1]
metrics: [micro_f1, macro_f1, sample_f1, accuracy, hamming_loss]
source: {path: comments.csv, text: text, label: labels, separator: ';', dev: 0.2, test: 0.1}
"""


@pytest.fixture
def comments(tmp_path: Path) -> list[str]:
    """Texts of a CSV in which a word tells each label, beside the task's definition."""
    has = np.random.default_rng(0).random((400, 3)) < 0.4
    names = [[name for name, yes in zip(LABELS, row, strict=True) if yes] for row in has]
    texts = [f"{' '.join(WORDS[name] for name in row)} {i}" for i, row in enumerate(names)]
    rows = (f"{text},{';'.join(row)}" for text, row in zip(texts, names, strict=True))
    written(tmp_path, "comments.csv", "text,labels", *rows)
    (tmp_path / "conf" / "target_task").mkdir(parents=True)
    written(tmp_path / "conf" / "target_task", "comments.yaml", DEFINITION)
    return texts


def assert_are_scored(file: Path, threshold: float, found: dict[str, float], split: str) -> None:
    """Assert that saved predictions are by the threshold, and have the metrics of a record."""
    saved = pd.read_parquet(file)
    rows = saved[saved.split == split]
    truth, said = (np.stack(rows[name]) for name in ("label", "prediction"))
    assert found == pytest.approx(scikit_learns(truth, said))
    logits = rows[[f"logit_{i}" for i in range(3)]].to_numpy(float)
    assert (said == (1 / (1 + np.exp(-logits)) >= threshold)).all()


def test_from_a_csv_to_predictions_by_command_line(
    command: Command, tmp_path: Path, comments: list[str]
) -> None:
    """The threshold that held-out rows choose is that of scores, test scores and the export."""
    options = ("suite=generated", "encoder=tiny", "logger=none", "selection=held_out")
    length = ("optim.lr=1e-3", "trainer.max_steps=40", "batch_size=16", "store_dir=store")
    mix = ("target_task=comments", "support_task=sst2", "strategy=mtl")
    ran = command("--config-dir", "conf", *options, *length, *mix, "subsample_size.support=60")
    assert ran.returncode == 0, ran.stderr
    (record,) = (tmp_path / "multirun").rglob("result.json")
    (stage,) = (tmp_path / "store").glob("*/stage.json")
    threshold = json.loads(stage.read_text())["tasks"]["comments"]["threshold"]
    found = json.loads(record.read_text())
    assert found["threshold"] == threshold
    assert f"threshold: {threshold:g}, which rows held out of train have chosen" in ran.stdout
    of_dev = stage.parent / "predictions" / "comments.parquet"
    assert_are_scored(of_dev, threshold, found["metrics"], "dev")
    (of_test,) = (stage.parent / "test").glob("*/predictions/comments.parquet")
    assert_are_scored(of_test, threshold, found["test"]["metrics"], "test")

    exported = command(str(record.parent), "--out", "model", module="tlbench.cli.export")
    assert exported.returncode == 0, exported.stderr
    told = command("model", "comments.csv", "--out", "said.csv", module="tlbench.cli.predict")
    assert told.returncode == 0, told.stderr
    said = pd.read_csv(tmp_path / "said.csv", keep_default_na=False)
    assert len(said) == len(comments)
    classify = pipeline("text-classification", model=str(tmp_path / "model"), top_k=None)
    for row, of_text in zip(said.itertuples(), classify(comments[:20]), strict=False):
        by_label = {one["label"]: one["score"] for one in of_text}
        for name in LABELS:
            assert getattr(row, f"probability_{name}") == pytest.approx(by_label[name], abs=1e-5)
        names = [name for name in LABELS if by_label[name] >= threshold]
        assert row.prediction == ";".join(names)


def test_the_kind_is_found_by_its_name() -> None:
    assert type(kind_of(task())) is Multilabel
