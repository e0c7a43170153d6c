"""Tagging tasks: words and tags from files, the loss, metrics as seqeval's, kernels, one run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification, AutoTokenizer

from tests.support.commands import Command
from tests.support.experiments import Compose
from tests.support.interrupting import LENGTH, SIZES
from tlbench.analysis.bootstrap_metrics import Said, score
from tlbench.analysis.row_noise import deviations
from tlbench.config.schema import Source, Task
from tlbench.data.batch import Batch
from tlbench.data.division import Division
from tlbench.data.overview import lines, overview
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.export.predictions import output_format, write_parts
from tlbench.export.predictor import Ensemble, Predictor
from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.predictors.logme import logme
from tlbench.records.predictions import Saved
from tlbench.tasks import ragged
from tlbench.tasks.definition import check_task
from tlbench.tasks.entities import Tags
from tlbench.tasks.kinds import head_name, kind_of
from tlbench.tasks.scores import collapsed, diverged, evaluate, majority_score
from tlbench.tasks.tag_metrics import of_counts, row_counts
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.features import row_features

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
METRICS = ["entity_f1", "entity_precision", "entity_recall", "accuracy"]
NONE = ragged.NONE


def task(score: str = "entity_f1", labels: list[str] | None = None, **source: Any) -> Task:
    metrics = METRICS if score != "accuracy" else ["accuracy"]
    made = Source("generated", **source) if "format" not in source else Source(**source)
    return Task("t", labels or TAGS, [score], metrics, made, kind="tagging")


def places(*rows: str) -> torch.Tensor:
    """Return tags as tensor, of rows as 'O B-PER'; a '.' is a word that is not predicted."""
    numbers = [[float(TAGS.index(tag)) if tag != "." else NONE for tag in r.split()] for r in rows]
    longest = max(map(len, numbers))
    return torch.tensor([row + [NONE] * (longest - len(row)) for row in numbers]).double()


def logits_of(predictions: torch.Tensor) -> torch.Tensor:
    logits = torch.full((*predictions.shape, len(TAGS)), -1.0)
    logits.scatter_(2, predictions.clamp(min=0).long()[..., None], 1.0)
    return logits.masked_fill((predictions < 0)[..., None], -torch.inf)


# Of seqeval 1.2.2: f1_score, precision_score, recall_score and accuracy_score, of these rows alone.
OF_SEQEVAL = [
    ("B-PER I-PER O B-LOC", "B-PER I-PER O B-LOC", (1, 1, 1, 1)),
    ("B-PER I-PER O B-LOC", "B-PER O O B-LOC", (0.5, 0.5, 0.5, 0.75)),
    ("I-PER I-PER O", "B-PER I-PER O", (1, 1, 1, 2 / 3)),
    ("B-PER B-PER", "B-PER I-PER", (0, 0, 0, 0.5)),
    ("B-PER I-LOC", "B-PER B-LOC", (1, 1, 1, 0.5)),
    ("O I-LOC I-PER I-PER O", "O B-LOC B-PER I-PER O", (1, 1, 1, 3 / 5)),
    ("B-LOC I-LOC I-LOC", "B-LOC I-LOC O", (0, 0, 0, 2 / 3)),
    ("B-PER O B-LOC", "O O O", (0, 0, 0, 1 / 3)),
    ("O O B-LOC", "O B-PER B-LOC", (2 / 3, 0.5, 1, 2 / 3)),
]


@pytest.mark.parametrize(("true", "said", "expected"), OF_SEQEVAL)
def test_metrics_are_seqevals(true: str, said: str, expected: tuple[float, ...]) -> None:
    labels, logits = places(true), logits_of(places(said))
    found = evaluate(task(), logits, labels)
    assert [found[name] for name in METRICS] == pytest.approx(list(expected))


def test_rows_are_counted_together_and_no_entity_goes_from_one_to_the_next() -> None:
    labels = places("O O B-PER", "I-PER O", "B-LOC")
    found = evaluate(task(), logits_of(places("O O B-PER", "I-PER O", "O")), labels)
    assert found["entity_recall"] == pytest.approx(2 / 3)
    assert found["accuracy"] == pytest.approx(5 / 6)


def test_a_word_that_is_not_predicted_is_wrong_and_outside() -> None:
    labels = places("B-PER O B-LOC", "O")
    found = evaluate(task(), logits_of(places("B-PER . .", "O")), labels)
    assert found == pytest.approx(
        {
            "entity_f1": 2 / 3,
            "entity_precision": 1,
            "entity_recall": 0.5,
            "accuracy": 0.5,
            "score": 2 / 3,
        }
    )


def test_without_entities_f1_is_not_defined_and_accuracy_is() -> None:
    found = evaluate(task(), logits_of(places("O O")), places("O O"))
    assert np.isnan(found["entity_f1"])
    assert found["accuracy"] == 1


def random_rows(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and labels of rows of one to nine words, some of them not read."""
    rng = np.random.default_rng(seed)
    there = np.arange(9) < rng.integers(1, 10, rows)[:, None]
    labels = torch.tensor(np.where(there, rng.integers(0, 5, there.shape), NONE)).double()
    logits = torch.tensor(rng.normal(0, 1, (rows, 9, 5))).float()
    known = torch.nn.functional.one_hot(labels.clamp(min=0).long(), 5) * 1.5
    unread = torch.tensor(~there | (rng.random(there.shape) < 0.1))
    return (logits + known).masked_fill(unread[..., None], -torch.inf), labels


def test_the_loss_is_the_mean_over_the_words_of_a_row_that_are_read() -> None:
    logits, labels = random_rows(20, 0)
    logits.requires_grad_()
    losses = kind_of(task()).losses(logits, labels.float())
    read = (labels >= 0) & (logits > -torch.inf).all(dim=2)
    expected = [
        cross_entropy(of_row[words], tags[words].long()) if words.any() else torch.tensor(0.0)
        for of_row, tags, words in zip(logits, labels, read, strict=True)
    ]
    assert torch.allclose(losses, torch.stack(expected), atol=1e-6)
    losses.sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[~read] == 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_of_resamples_are_those_of_the_rows_that_are_drawn(metric: str) -> None:
    logits, labels = random_rows(30, 1)
    kind = kind_of(task())
    counts = kind.row_counts(kind.predict(logits), labels)
    assert counts is not None
    saved = Saved.of_counts(np.arange(30.0), counts.numpy(), None)
    said = Said(saved.labels, saved.predictions[None], counts=counts.numpy()[None])
    drawn = np.random.default_rng(0).integers(30, size=(5, 30))
    weights = np.array([np.bincount(rows, minlength=30) for rows in drawn]).astype(float)
    expected = [evaluate(task(), logits[rows], labels[rows])[metric] for rows in drawn]
    assert score(metric, said, weights)[0] == pytest.approx(expected)


def test_scores_vary_with_the_rows_as_with_many_resamples() -> None:
    rng, kind = np.random.default_rng(0), kind_of(task())
    logits, labels = random_rows(100, 2)
    counts = kind.row_counts(kind.predict(logits), labels)
    assert counts is not None
    saved = Saved.of_counts(np.arange(100.0), counts.numpy(), None)
    vectors = deviations("entity_f1", [saved])
    assert vectors is not None
    drawn = rng.integers(100, size=(400, 100))
    resampled = [evaluate(task(), logits[r], labels[r])["entity_f1"] for r in drawn]
    assert np.sqrt(vectors[0] @ vectors[0]) == pytest.approx(np.std(resampled), rel=0.15)


def test_the_majority_is_the_one_tag_that_scores_best_on_train() -> None:
    train = places("B-PER O B-PER", "O O O")
    assert majority_score(task("accuracy"), train, train) == pytest.approx(4 / 6)
    # As every word is said to be a PER, two of six are right, and both that there are.
    assert majority_score(task(), train, train) == pytest.approx(2 * 2 / (2 + 6))


def test_one_tag_for_all_words_has_collapsed_and_large_logits_have_diverged() -> None:
    logits, labels = random_rows(10, 3)
    assert not collapsed(task(), logits)
    assert collapsed(task(), logits_of(places("O O O", "O .")))
    assert not diverged(task(), logits, labels)
    assert diverged(task(), logits * 1e4, labels)
    lost = logits.clone()
    lost[labels >= 0] = torch.nan
    assert diverged(task(), lost, labels)
    assert np.isnan(evaluate(task(), lost, labels)["score"])


def written(folder: Path, name: str, *rows: str) -> None:
    (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")


def read(one: Task) -> list[dict[str, Any]]:
    return list(splits(one)["train"].make())


EXPECTED = [
    {"text_a": "Ada ran", "words": ["Ada", "ran"], "label": [1.0, 0.0]},
    {"text_a": "in New York", "words": ["in", "New", "York"], "label": [0.0, 3.0, 4.0]},
]
CONLL = ("Ada NN B-PER", "ran VB O", "", "in IN O", "New NN B-LOC", "York NN I-LOC")


@pytest.mark.parametrize("begin", [(), ("-DOCSTART- -X- O", ""), ("", "")])
def test_words_and_tags_are_columns_of_conll(tmp_path: Path, begin: tuple[str, ...]) -> None:
    written(tmp_path, "train.conll", *begin, *CONLL)
    written(tmp_path, "dev.conll", *CONLL, "", "")
    for column in ("2", "-1"):
        one = task(format="conll", path=str(tmp_path), text=["0"], label=column)
        assert read(one) == EXPECTED
        assert list(splits(one)["dev"].make()) == EXPECTED


def test_a_word_of_conll_may_hold_a_blank_where_a_tab_is_between_columns(tmp_path: Path) -> None:
    written(tmp_path, "train.conll", "New York\tB-LOC", "10\u00a0000\tO")
    written(tmp_path, "dev.conll", "10\u00a0000 O")
    one = task(format="conll", path=str(tmp_path), text=["0"], label="1", delimiter="\t")
    (row,) = read(one)
    assert row["words"] == ["New York", "10\u00a0000"]
    blanks = replace(one, source=replace(one.source, delimiter=None))
    assert next(iter(splits(blanks)["dev"].make()))["words"] == ["10\u00a0000"]


CONLLU = """\
# sent_id = 1
# text = Ada didn't run
1\tAda\tAda\tPROPN\tNNP\t_\t4\tnsubj\t_\t_
2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdid\tdo\tAUX\tVBD\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\trun\trun\tVERB\tVB\t_\t0\troot\t_\t_
4.1\tran\t_\tVERB\t_\t_\t_\t_\t_\t_

# text = # 1
1\t# 1\t_\tSYM\t_\t_\t0\troot\t_\t_
"""


def test_words_and_tags_are_columns_of_conllu(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        written(tmp_path, f"{split}.conllu", CONLLU)
    tags = ["PROPN", "AUX", "PART", "VERB", "SYM"]
    source = Source(path=str(tmp_path), text=["form"], label="upos")
    one = Task("pos", tags, ["accuracy"], ["accuracy"], source, kind="tagging")
    assert read(one) == [
        {
            "text_a": "Ada did n't run",
            "words": ["Ada", "did", "n't", "run"],
            "label": [0.0, 1.0, 2.0, 3.0],
        },
        {"text_a": "# 1", "words": ["# 1"], "label": [4.0]},
    ]


def test_words_and_tags_are_lists_in_json_lines_and_parquet(tmp_path: Path) -> None:
    rows = [{"tokens": r["words"], "tags": [TAGS[int(t)] for t in r["label"]]} for r in EXPECTED]
    for name in ("train", "dev"):
        written(tmp_path, f"{name}.jsonl", *map(json.dumps, rows))
        pd.DataFrame(rows).to_parquet(tmp_path / f"{name}.parquet")
    for name in ("jsonl", "parquet"):
        one = task(format=name, path=str(tmp_path), text=["tokens"], label="tags")
        assert read(one) == EXPECTED


def test_tags_are_a_sequence_of_class_labels_of_datasets(tmp_path: Path) -> None:
    features = Features(
        {"tokens": Sequence(Value("string")), "ner": Sequence(ClassLabel(names=TAGS[::-1]))}
    )
    rows = {
        "tokens": [row["words"] for row in EXPECTED],
        "ner": [[len(TAGS) - 1 - int(tag) for tag in row["label"]] for row in EXPECTED],
    }
    one = Dataset.from_dict(rows, features=features)
    DatasetDict({"train": one, "validation": one}).save_to_disk(tmp_path / "saved")
    path = str(tmp_path / "saved")
    made = task(format="hub", path=path, dev="validation", text=["tokens"], label="ner")
    assert read(made) == EXPECTED


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("conll", ("Ada B-PER", "ran"), "train.conll, line 2 has 1 fields where line 1 has 2"),
        ("conll", ("ok O", "", "Ada B-X"), "train.conll, line 3 has the label 'B-X'"),
        ("conllu", ("1\tAda",), "train.conllu, line 1 has 2 fields where CoNLL-U has 10"),
        ("conllu", ("# text = Ada", "Ada"), "train.conllu, line 2 has 1 fields where CoNLL-U has"),
        (
            "jsonl",
            ('{"0": ["Ada", "ran"], "1": ["O"]}',),
            "Change the rows of task 't': .*train.jsonl, line 1 has 2 words and 1 tags",
        ),
        ("jsonl", ('{"0": [], "1": []}',), "train.jsonl, line 1 has no words"),
        ("jsonl", ('{"0": "Ada", "1": ["O"]}',), "'Ada' where a list of words belongs"),
        ("jsonl", ('{"0": ["Ada"], "1": "O"}',), "'O' where a list of tags belongs"),
        ("jsonl", ('{"0": [["Ada"]], "1": ["O"]}',), "where a text belongs"),
    ],
)
def test_a_bad_file_is_one_sentence(
    tmp_path: Path, name: str, rows: tuple[str, ...], message: str
) -> None:
    written(tmp_path, f"train.{name}", *rows)
    with pytest.raises(UserError, match=message):
        read(task(format=name, path=str(tmp_path), dev=f"train.{name}", text=["0"], label="1"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["O"]}, "Change labels of task 't': give two or more"),
        ({"labels": ["NOUN", "VERB"]}, r"Change metrics of task 't' to \[accuracy\], or its lab"),
        ({"source": Source("jsonl", text=["a", "b"])}, "Change source.text of task 't'"),
        ({"source": Source("jsonl", template=["{a}"])}, "Change source.template of task 't'"),
        ({"positive": "O"}, "Change positive of task 't' to null"),
        ({"more_metrics": {"x": {"_target_": "torchmetrics.MeanMetric"}}}, "Leave out more_metri"),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_task(replace(task(), **change))


def test_parts_of_speech_have_accuracy() -> None:
    check_task(task("accuracy", ["NOUN", "VERB"]))
    labels = torch.tensor([[0.0, 1.0, 1.0]])
    found = evaluate(
        task("accuracy", ["NOUN", "VERB"]), torch.eye(2)[torch.tensor([[0, 1, 0]])], labels
    )
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_a_cut_stratifies_rows_by_the_rarest_of_their_tags() -> None:
    rows = [
        {
            "text_a": str(i),
            "words": ["w"] * (1 + i % 3),
            "label": [2.0 if i % 10 == 0 else 0.0] * (1 + i % 3),
        }
        for i in range(100)
    ]
    sides = Division({"dev": 0.2}, 0, True).side_of_rows(rows)
    assert sides.sum() == 20
    assert sides[::10].sum() == 2


def test_heads_that_tasks_share_are_of_one_kind() -> None:
    other = Task("c", TAGS, ["accuracy"], ["accuracy"], Source("generated"))
    assert head_name(task(), "per_label_count") == "tags_5"
    assert head_name(other, "per_label_count") == "labels_5"


@pytest.mark.parametrize("length", [32, 8])
def test_rows_are_cut_and_the_look_at_them_says_so(compose: Compose, length: int) -> None:
    cfg = compose("target_task=mentions", f"encoder.max_length={length}")
    data = MultiTaskDataModule(build(cfg).plan()[-1])
    data.setup()
    (train,) = data.train
    rows = splits(train.task)["train"].load(cfg.cache_dir)
    seen = overview(rows, train, data.tokenizer, cfg.cache_dir)
    words = [len(rows[int(i)]["words"]) for i in train.used]
    assert seen["words"] == sum(words) == sum(seen["labels"].values())
    # Every word of the generated suite is one token, and two are special.
    assert seen["words_without_token"] == sum(max(0, n - (length - 2)) for n in words)
    said = " ".join(lines("mentions", "train", seen))
    assert ("not predicted" in said) == (seen["words_without_token"] > 0)


def mixed(compose: Compose, *overrides: str) -> tuple[MultiTaskDataModule, Batch]:
    tasks = ("target_task=mentions", "support_task=sst2", "strategy=mtl", "encoder.max_length=12")
    data = MultiTaskDataModule(build(compose(*tasks, *overrides)).plan()[-1])
    data.setup()
    return data, next(iter(data.train_dataloader()))


def logits_by(data: MultiTaskDataModule, kernels: Kernels, batch: Batch) -> list[torch.Tensor]:
    torch.manual_seed(0)
    tasks = [rows.task for rows in data.train]
    model = MultiTaskModel(load_encoder(data.config.encoder), tasks, data.config.heads)
    model.use(kernels)
    model.train(False)
    return list(model(batch.inputs, batch.counts, batch.lengths, batch.words))


@pytest.mark.parametrize("features", ["plain", "unpadded", "first_token"])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_kernels_give_the_logits_of_the_encoders_own_forward(
    compose: Compose, features: Any, on_cpu: bool
) -> None:
    """On tensors of a CPU, ``unpadded`` off it is the path of a GPU: jagged rows."""
    data, batch = mixed(compose)
    own = logits_by(data, Kernels("plain", on_cpu=False), batch)
    other = logits_by(data, Kernels(features, on_cpu), batch)
    for a, b in zip(own, other, strict=True):
        assert a.shape == b.shape
        assert torch.equal(a == -torch.inf, b == -torch.inf)
        assert torch.allclose(a.nan_to_num(neginf=0), b.nan_to_num(neginf=0), atol=1e-5)
    assert {one.ndim for one in own} == {2, 3}


def test_a_word_is_read_at_its_first_token_and_one_that_is_cut_off_at_none(
    compose: Compose,
) -> None:
    data, batch = mixed(compose)
    (at,) = [place for place, rows in enumerate(data.train) if rows.task.name == "mentions"]
    first = sum(batch.counts[:at])
    rows = splits(data.train[at].task)["train"].load(data.config.cache_dir)
    for row in range(batch.counts[at]):
        words = rows[int(batch.ids[first + row])]["words"]
        ids = batch.inputs["input_ids"][first + row]
        for word, place in zip(words, batch.words[at][row].tolist(), strict=False):
            if place >= 0:
                assert data.tokenizer.convert_ids_to_tokens(int(ids[place])) == word
        assert (batch.words[at][row] >= 0).sum() == min(len(words), 10)


@pytest.mark.parametrize("rows", [1, 3, None])
def test_micro_batches_have_the_loss_and_gradient_of_the_batch(
    compose: Compose, rows: int | None
) -> None:
    data, batch = mixed(compose)
    tasks = [one.task for one in data.train]
    model = MultiTaskModel(load_encoder(data.config.encoder), tasks, "per_task").eval()
    whole = model.loss(batch)
    whole.backward()
    gradient = model.encoder.embeddings.word_embeddings.weight.grad.clone()
    model.zero_grad()
    total = sum(model.loss(piece) for piece in batch.micro_batches(rows))
    total.backward()
    assert torch.allclose(total, whole, atol=1e-6)
    assert torch.allclose(model.encoder.embeddings.word_embeddings.weight.grad, gradient, atol=1e-6)


def test_a_shared_head_is_trained_by_both_tasks_and_by_other_kinds_is_not(
    compose: Compose,
) -> None:
    data, batch = mixed(compose, "heads=per_label_count")
    tasks = [one.task for one in data.train]
    model = MultiTaskModel(load_encoder(data.config.encoder), tasks, "per_label_count")
    assert sorted(model.heads) == ["head_labels_2", "head_tags_7"]
    model.loss(batch).backward()
    assert all(p.grad is not None for p in model.heads.parameters())


def test_a_row_of_words_is_to_predictors_one_with_the_tags_that_it_has(compose: Compose) -> None:
    one = build(compose("target_task=mentions", *SIZES, *LENGTH)).plan()[-1]
    (subset,) = one.subsets
    found = row_features(one, subset, rows=20)
    rows = splits(subset.task)["train"].load(one.config.cache_dir)
    data = MultiTaskDataModule(one)
    used = next(data.splits_of(subset)).used[:20]
    assert found.labels.shape == (20, 7)
    for of_row, at in zip(found.labels, used, strict=True):
        assert set(np.flatnonzero(of_row)) == {int(tag) for tag in rows[int(at)]["label"]}
    assert np.isfinite(logme(found.first, found.labels, True))


def test_predictions_are_not_written_as_conllu() -> None:
    with pytest.raises(UserError, match=r"Change --out: a word and its tag are written as \.conll"):
        output_format(Path("said.conllu"))


def test_rows_without_words_are_not_written_as_conll(tmp_path: Path) -> None:
    rows = [{"row": 1, "prediction": "good"}]
    with pytest.raises(UserError, match=r"Change --out: a \.conll has a tag for each word"):
        list(write_parts(iter([rows]), tmp_path / "said.conll", "conll"))


@pytest.mark.parametrize(("names", "expected"), [(TAGS, "O"), (["NOUN", "VERB"], "_")])
def test_a_word_that_is_not_read_is_outside_or_not_given(names: list[str], expected: str) -> None:
    class Known(Predictor):
        def scores(self, texts: Any) -> Any:
            found = np.full((2, 3, len(names)), np.nan)
            found[0, :2] = found[1, 0] = np.eye(len(names))[1]
            return found

    model = Known(task("accuracy", names))
    assert model.predict([["a", "b", "c"], ["d"]]) == [[names[1], names[1], expected], [names[1]]]
    assert Ensemble([model, model], [0, 1]).predict([["a", "b", "c"], ["d"]])[0][2] == expected


DEFINITION = """
name: ner
kind: tagging
labels: [O, B-PER, I-PER, B-LOC, I-LOC]
score: [entity_f1]
metrics: [entity_f1, entity_precision, entity_recall, accuracy]
source: {path: ner.conll, text: '0', label: '-1', dev: 0.2, test: 0.1}
"""


@pytest.fixture
def sentences(tmp_path: Path) -> list[list[str]]:
    """Words of a CoNLL file in which a word tells its tag, beside the task's definition."""
    rng = np.random.default_rng(0)
    kinds = [("the", "O"), ("dog", "B-PER"), ("dogs", "I-PER"), ("car", "B-LOC"), ("run", "O")]
    rows = [[kinds[i] for i in rng.integers(5, size=rng.integers(2, 14))] for _ in range(300)]
    text = "\n\n".join("\n".join(f"{word} X {tag}" for word, tag in row) for row in rows)
    written(tmp_path, "ner.conll", text)
    (tmp_path / "conf" / "target_task").mkdir(parents=True)
    written(tmp_path / "conf" / "target_task", "ner.yaml", DEFINITION)
    return [[word for word, _ in row] for row in rows]


def assert_are_scored(file: Path, found: dict[str, float], split: str) -> None:
    """Assert that saved predictions are those of the logits, and have the metrics of a record."""
    saved = pd.read_parquet(file)
    rows = saved[saved.split == split]
    for row in rows.itertuples():
        logits = np.stack([getattr(row, f"logit_{i}") for i in range(5)])
        is_read = np.isfinite(logits).all(axis=0)
        assert (row.prediction == np.where(is_read, logits.argmax(axis=0), NONE)).all()
        of_row = row_counts(Tags.of(tuple(TAGS)), row.prediction[None], row.label[None])
        assert (of_row[0] == row.counts).all()
    sums = np.stack(rows["counts"]).sum(axis=0)
    assert {name: float(of_counts(name, sums)) for name in METRICS} == pytest.approx(found)


def tags_by_transformers(folder: Path) -> Callable[[list[str]], list[str]]:
    """Return what tags words by plain transformers: each by its first token."""
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def tags(words: list[str]) -> list[str]:
        encoded = tokenizer(
            words, is_split_into_words=True, truncation=True, max_length=10, return_tensors="pt"
        )
        with torch.inference_mode():
            said = model(**encoded).logits[0].argmax(dim=1).tolist()
        of_words = encoded.word_ids()
        return [
            model.config.id2label[said[of_words.index(word)]] if word in of_words else "O"
            for word in range(len(words))
        ]

    return tags


@pytest.mark.slow
def test_from_conll_to_tags_by_command_line(
    command: Command, tmp_path: Path, sentences: list[list[str]]
) -> None:
    options = ("suite=generated", "encoder=tiny", "logger=none", "encoder.max_length=10")
    length = (
        "selection=dev",
        "optim.lr=3e-3",
        "trainer.max_steps=60",
        "batch_size=16",
        "store_dir=store",
    )
    mix = ("target_task=ner", "support_task=sst2", "strategy=mtl", "subsample_size.support=60")
    length = (*length, "store_dir=store")
    ran = command("--config-dir", "conf", *options, *length, *mix)
    assert ran.returncode == 0, ran.stderr
    (record,) = (tmp_path / "multirun").rglob("result.json")
    (made,) = (tmp_path / "store").glob("*/stage.json")
    found = json.loads(record.read_text())
    assert_are_scored(made.parent / "predictions" / "ner.parquet", found["metrics"], "dev")
    (of_test,) = (made.parent / "test").glob("*/predictions/ner.parquet")
    assert_are_scored(of_test, found["test"]["metrics"], "test")
    exported = command(str(record.parent), "--out", "model", module="tlbench.cli.export")
    assert exported.returncode == 0, exported.stderr
    tags = tags_by_transformers(tmp_path / "model")
    for out in ("said.conll", "said.jsonl"):
        told = command("model", "ner.conll", "--out", out, module="tlbench.cli.predict")
        assert told.returncode == 0, told.stderr
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert [one["words"] for one in said] == sentences
    assert [one["prediction"] for one in said] == [tags(words) for words in sentences]
    assert len({tag for one in said for tag in one["prediction"]}) > 2
    lines_of = (tmp_path / "said.conll").read_text().split("\n\n")
    assert lines_of[0].splitlines() == [
        f"{word}\t{tag}" for word, tag in zip(said[0]["words"], said[0]["prediction"], strict=True)
    ]


def test_a_tokenizer_of_bytes_takes_words_for_those_of_a_text() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from tlbench.data.tokenization import for_words, tokens_of_words

    vocabulary = {name: place for place, name in enumerate(["<pad>", "a", "\u0120a", "\u0120"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")
    changed = for_words(own)
    assert tokens_of_words(changed, [["a", "a"]], 8)["input_ids"] == [[2, 2]]
    assert own(["a", "a"], is_split_into_words=True)["input_ids"] == [1, 1]
    assert for_words(changed) is changed
