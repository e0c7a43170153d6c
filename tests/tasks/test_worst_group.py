"""What the worst group scores: on logits, on saved predictions, and in resamples of rows."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, matthews_corrcoef

from tests.support.experiments import Run
from tlbench.analysis.collect import collect
from tlbench.analysis.row_noise import deviations
from tlbench.analysis.saved import StoredPredictions, scores_of, usable
from tlbench.config.schema import Source, Task
from tlbench.errors import UserError
from tlbench.records.packing import pack, sources
from tlbench.records.predictions import Saved
from tlbench.tasks.definition import check_task
from tlbench.tasks.scores import evaluate, evaluate_groups, majority_score
from tlbench.training.selection import CrossFit

WORST = "worst_group_accuracy"


def task(metrics: Sequence[str], score: Sequence[str] = (), **more: Any) -> Task:
    given_groups = {"groups": ["label"]} | more
    labels = given_groups.pop("labels", ["a", "b", "c"])
    source = Source("generated", name="mnli")
    return Task("t", labels, [*(score or metrics)], [*metrics], source, **given_groups)


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Return random logits, labels, and two groups that have rows."""
    draw = np.random.default_rng(seed)
    logits = torch.from_numpy(draw.normal(size=(count, 3)))
    labels = torch.from_numpy(draw.integers(3, size=count)).double()
    first = torch.from_numpy(draw.permutation(np.arange(count) % 3 == 0))
    return logits, labels, {"first": first, "second": ~first}


@given(count=st.integers(6, 60), seed=st.integers(0, 1000))
def test_the_worst_is_the_least_of_what_scikit_learn_has_of_groups(count: int, seed: int) -> None:
    logits, labels, groups = rows(count, seed)
    found = evaluate(task([WORST, "accuracy"], [WORST]), logits, labels, groups)
    of_groups = [accuracy_score(labels[g], logits.argmax(dim=1)[g]) for g in groups.values()]
    assert found[WORST] == found["score"] == pytest.approx(min(of_groups), abs=1e-7)
    assert found["accuracy"] == pytest.approx(
        accuracy_score(labels, logits.argmax(dim=1)), abs=1e-7
    )
    assert min(of_groups) - 1e-7 <= found["accuracy"] <= max(of_groups) + 1e-7


def test_of_an_error_the_worst_is_the_largest_and_what_is_not_defined_is_not() -> None:
    logits, labels, groups = rows(30, 0)
    metrics = ["worst_group_log_loss", "worst_group_matthews", "accuracy"]
    found = evaluate(task(metrics, ["accuracy"]), logits, labels, groups)
    shares = logits.softmax(dim=1)
    losses = [log_loss(labels[g], shares[g], labels=[0, 1, 2]) for g in groups.values()]
    assert found["worst_group_log_loss"] == pytest.approx(max(losses))
    of_groups = [matthews_corrcoef(labels[g], logits.argmax(dim=1)[g]) for g in groups.values()]
    assert found["worst_group_matthews"] == pytest.approx(min(of_groups), abs=1e-6)
    by_label = {name: labels == at for at, name in enumerate("abc")}  # each of one label
    assert math.isnan(evaluate(task(metrics), logits, labels, by_label)["worst_group_matthews"])


def test_a_score_may_be_the_mean_of_the_worst_and_of_all() -> None:
    logits, labels, groups = rows(40, 1)
    both = evaluate(task([WORST, "accuracy"]), logits, labels, groups)
    assert both["score"] == pytest.approx((both[WORST] + both["accuracy"]) / 2)
    broken = evaluate(task([WORST, "accuracy"]), logits * math.nan, labels, groups)
    assert all(map(math.isnan, broken.values()))
    of_groups = evaluate_groups(task([WORST]), logits * math.nan, labels, groups)
    assert math.isnan(of_groups["first"]["accuracy"])


def test_the_majority_of_groups_by_label_is_worth_nothing() -> None:
    labels = torch.tensor([0.0, 0, 0, 1, 2])
    by_label = {name: labels == at for at, name in enumerate("abc")}
    assert majority_score(task([WORST]), labels, labels, by_label) == 0
    assert majority_score(task(["accuracy"]), labels, labels, by_label) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (task([WORST], groups=None), "^Add groups to task 't', or change its metrics: worst_group"),
        (task(["worst_group_acuracy"]), "Change metrics or score of task 't': 'acuracy' is not"),
        (task([WORST], groups=[]), "^Change groups of task 't': name a column or an expression"),
        (task([WORST], groups=["label", " "]), "^Change groups of task 't': name a column"),
        (task(["worst_group_f1"]), "^Change metrics of task 't': f1 needs two labels"),
        (task(["worst_group_log_loss"]), "^Change score of task 't': less is better of"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(definition: Task, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_task(definition)


def saved(count: int, seed: int, halves: bool) -> Saved:
    logits, labels, groups = rows(count, seed)
    draw = np.random.default_rng(seed + 1)
    return Saved(
        np.arange(float(count)),
        labels.numpy(),
        logits.argmax(dim=1).double().numpy(),
        draw.integers(2, size=count).astype(float) if halves else None,
        groups=groups["second"].double().numpy(),
    )


@pytest.mark.parametrize("halves", [False, True])
def test_a_resample_draws_rows_with_their_groups_and_has_a_worst_of_its_own(halves: bool) -> None:
    one = saved(40, 3, halves)
    draw = np.random.default_rng(0)
    weights = np.array([np.bincount(draw.integers(40, size=40), minlength=40) for _ in range(50)])
    expected, worst = [], set()
    for weight in weights:
        drawn = np.repeat(np.arange(40), weight)
        right = (one.labels == one.predictions)[drawn]
        assert one.groups is not None
        groups = [float(right[one.groups[drawn] == group].mean()) for group in (0, 1)]
        worst.add(int(np.argmin(groups)))
        expected.append(min(groups))
    found = scores_of(WORST, [one], weights.astype(float))
    assert found[0] == pytest.approx(expected)
    assert worst == {0, 1}, "one that is worst everywhere would show little"
    both = scores_of(f"accuracy+{WORST}", [one], weights.astype(float))
    accuracy = scores_of("accuracy", [one], weights.astype(float))
    assert both == pytest.approx((found + accuracy) / 2)


def test_a_resample_without_a_row_of_some_group_is_no_run_s() -> None:
    one = saved(40, 3, False)
    assert one.groups is not None
    weights = np.array([one.groups == 1, np.ones(40)]).astype(float)
    found = scores_of(WORST, [one], weights)[0]
    assert math.isnan(found[0])
    assert not math.isnan(found[1])
    vectors = deviations(WORST, [one, one])
    assert vectors is not None
    assert np.isfinite(vectors).all()


def test_the_worst_is_taken_of_cross_fitted_groups_and_halves_choose_by_their_own() -> None:
    _, labels, groups = rows(40, 5)
    of = task([WORST])
    fit = CrossFit.over(torch.arange(40), "t", 0)

    def by_rows(some: torch.Tensor, truth: torch.Tensor, inside: Any) -> dict[str, float]:
        return evaluate(of, some, truth, inside)

    right = torch.nn.functional.one_hot(labels.long(), 3).double()
    # Of the first evaluation one group is right, of the second the other.
    for step, name in enumerate(groups):
        some = torch.where(groups[name][:, None], right, -right)
        fit = fit.after(step, some, labels, by_rows, groups)
    assert fit.steps == [0, 0], "the worst group of both is as bad, so that the first stays"
    most = torch.where(torch.arange(40)[:, None] > 3, right, -right)
    fit = fit.after(3, most, labels, by_rows, groups)
    assert fit.steps == [3, 3]


@pytest.mark.parametrize("selection", ["dev", "cross_fit", "held_out"])
def test_a_record_says_of_groups_what_its_predictions_give(
    run: Run, tmp_path: Path, selection: str
) -> None:
    grouped = ("target_task=mnli_negation", "subsample_size.dev=200", "optim.lr=1e-3")
    more = ("+suite.sources.mnli.test=300", "subsample_size.target=400", "trainer.max_steps=20")
    record = run(*grouped, *more, f"selection={selection}")
    store, key = tmp_path / "store", record.stage_keys[-1]
    file = store / key / "predictions" / "mnli_negation.parquet"
    dev = pd.read_parquet(file).query("split == 'dev'")
    said = "prediction_cross_fit" if selection == "cross_fit" else "prediction"
    accuracies = (dev.label == dev[said]).groupby(dev.group.astype(str)).mean()
    assert record.groups is not None
    assert len(accuracies) == len(record.groups) == 6
    for name, group in record.groups.items():
        assert group["rows"] == (dev.group == name).sum()
        assert group["accuracy"] == pytest.approx(accuracies[name], abs=1e-6)
    assert record.score == record.metrics[WORST] == pytest.approx(accuracies.min(), abs=1e-6)
    assert record.test is not None
    assert record.test["score"] == min(g["accuracy"] for g in record.test["groups"].values())
    _check_what_reports_read(tmp_path, record.score)


def _check_what_reports_read(folder: Path, score: float | None) -> None:
    """Compare with what is packed, and read of that and of the store."""
    assert pack([folder / "job"], folder / "packed.parquet") == (1, 1)
    (packed,) = sources([folder / "packed.parquet"])
    table = collect([folder / "job"]).table
    kept = usable(table, StoredPredictions(table))
    assert len(kept) == 1
    (of_store,) = kept.values()
    for one in (of_store, packed.predictions):
        assert one is not None
        assert scores_of(WORST, [one], np.ones((1, 200)))[0, 0] == pytest.approx(score, abs=1e-6)
