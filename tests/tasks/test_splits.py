"""Splits with keys of their own, and such of them as do not tell all labels apart."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef, roc_auc_score
from torch.nn.functional import cross_entropy

from tlbench.config.schema import Loss, Source, Task
from tlbench.errors import UserError
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.scores import diverged, evaluate
from tlbench.tasks.splits import as_read, origin_of

LABELS = ["entailment", "neutral", "contradiction"]
HANS = ["entailment", "non-entailment", "non-entailment"]
METRICS = ["accuracy", "macro_f1", "matthews", "auroc", "log_loss"]


def task(**source: Any) -> Task:
    given = {"format": "tsv", "path": "glue", "text": ["a", "b"], "label": "y", **source}
    return Task("mnli", LABELS, ["accuracy"], METRICS, Source(**given))


def merged(**more: Any) -> Task:
    own = {"hans": {"values": HANS, **more}}
    return as_read(task(more_dev=own), "dev_hans")


def test_a_split_without_keys_of_its_own_is_read_as_the_task() -> None:
    one = task(dev="x.tsv", more_dev={"late": "late.tsv"})
    assert as_read(one, "dev") is one
    assert as_read(one, "held_out") is one
    assert origin_of(one, "dev_late") == "late.tsv"
    assert origin_of(one, "test") is None


def test_a_key_of_its_own_stands_for_that_of_the_source(tmp_path: Path) -> None:
    file = tmp_path / "hans.txt"
    file.write_text("a\tb\ty\n")
    own = {"path": str(file), "template": ["{p}", "{q}"], "keep": "p", "strip": True}
    one = task(keep="z", more_dev={"hans": own})
    source = as_read(one, "dev_hans").source
    assert (source.path, source.keep, source.strip, source.label) == (str(file), "p", True, "y")
    assert (source.template, source.text) == (["{p}", "{q}"], [])
    assert origin_of(one, "dev_hans") == "hans.txt", "a file alone is the split"
    assert as_read(task(test={"split": "t.tsv", "keep": None}, keep="z"), "test").source == Source(
        **{**vars(task().source), "test": {"split": "t.tsv", "keep": None}, "keep": None}
    )
    one.source.template, one.source.text = ["{a}", "{b}"], []
    one.source.more_dev = {"hans": {"text": "c"}}
    assert as_read(one, "dev_hans").source.text == ["c"]
    assert as_read(one, "dev_hans").source.template is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"dev": {"fil": "x"}}, r"Change source\.dev of task 'mnli': 'fil' is none of split, "),
        ({"dev": {"train": "x"}}, r"Change source\.dev of task 'mnli': 'train' is none of split, "),
        ({"test": {"split": 0.1}}, r"Change source\.test of task 'mnli', its split: name a file"),
        (
            {"more_dev": {"h": {"values": [True]}}},
            r"Change source\.more_dev\.h\.values: True is no wo",
        ),
        ({"more_dev": {"h": {"strip": "so"}}}, r"Change source\.more_dev\.h\.strip: "),
        (
            {"more_dev": {"h": {"text": ["y", "b"]}}},
            r"Change source\.text of task 'mnli', in its",
        ),
        ({"more_dev": {"h": {"values": ["a", "b"]}}}, r"more_dev\.h of .* say how each of entailm"),
        ({"more_dev": {"h": {"values": ["a"] * 3}}}, r"more_dev\.h of .* write all labels the sam"),
        ({"dev": {"values": HANS}}, r"source\.dev of .*: in its values no two labels can be writ"),
        ({"test": {"values": HANS}}, r"source\.test of .*: in its values no two labels can be wr"),
    ],
)
def test_what_a_split_can_not_have_is_one_sentence(source: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_task(task(**source))


def test_the_labels_of_other_kinds_are_not_merged() -> None:
    own = {"more_dev": {"h": {"values": ["x", "x", "y"]}}}
    several = Task("m", LABELS, ["micro_f1"], ["micro_f1"], task(**own).source, kind="multilabel")
    with pytest.raises(UserError, match="in its values no two labels can be written the same"):
        check_task(several)


def test_labels_that_are_written_the_same_are_one() -> None:
    check_task(task(more_dev={"hans": {"values": HANS}}))
    kind = kind_of(merged())
    assert kind.merges
    assert not kind_of(task()).merges
    to_label = kind.labeller()
    assert [to_label("entailment", "x"), to_label("non-entailment", "x")] == [0.0, 1.0]
    with pytest.raises(UserError, match="'neutral', known are entailment, non-entailment"):
        to_label("neutral", "x")


def test_the_highest_label_is_predicted_and_then_merged() -> None:
    # The third row: together neutral and contradiction are likelier, and entailment is highest.
    logits = torch.tensor([[0.0, 0.0, 2.0], [3.0, 0.0, 0.0], [1.0, 0.9, 0.9], [0.0, 1.0, 0.0]])
    kind = kind_of(merged())
    assert kind.predict(logits).tolist() == [1, 0, 0, 1]
    probabilities = kind.probabilities(logits)
    each = logits.double().softmax(dim=1)
    assert probabilities is not None
    assert torch.allclose(probabilities[:, 0], each[:, 0])
    assert torch.allclose(probabilities[:, 1], each[:, 1:].sum(dim=1))
    assert (probabilities[:, 2] == 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_metrics_are_scikit_learns_of_two_labels(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (30,), generator=generator).double()
    labels[:2] = torch.tensor([0.0, 1.0])
    logits = torch.randn(30, 3, generator=generator)
    found = evaluate(merged(), logits, labels)
    highest = logits.argmax(dim=1).clamp(max=1).numpy()
    probability = logits.double().softmax(dim=1)[:, 1:].sum(dim=1).numpy()
    true = labels.int().numpy()
    assert found["accuracy"] == pytest.approx(accuracy_score(true, highest))
    assert found["macro_f1"] == pytest.approx(f1_score(true, highest, average="macro"))
    assert found["matthews"] == pytest.approx(matthews_corrcoef(true, highest), abs=1e-6)
    assert found["auroc"] == pytest.approx(roc_auc_score(true, probability))
    assert found["log_loss"] == pytest.approx(log_loss(true, probability))


def test_the_loss_is_that_of_the_merged_probabilities_whatever_the_tasks_is() -> None:
    logits, labels = torch.randn(20, 3), torch.randint(0, 2, (20,)).float()
    one = merged()
    one.loss = Loss(class_weights=[1.0, 2.0, 3.0], label_smoothing=0.1)
    both = torch.stack([logits[:, 0], logits[:, 1:].logsumexp(dim=1)], dim=1)
    expected = cross_entropy(both, labels.long(), reduction="none")
    assert torch.allclose(kind_of(one).losses(logits, labels), expected, atol=1e-6)
    sure = torch.tensor([[2000.0, 0.0, 0.0]])
    assert kind_of(one).losses(sure, torch.tensor([1.0])).isfinite().all()
    assert not diverged(one, logits, labels)


def test_merged_labels_are_counted_by_what_is_written() -> None:
    from tlbench.data.overview import _labels

    counts = _labels(merged(), torch.tensor([0.0, 1.0, 1.0]).numpy())
    assert counts == {"entailment": 1, "non-entailment": 2}
