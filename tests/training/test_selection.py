"""Which evaluation counts; and on a null, what choosing and reporting on the same rows adds."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from tlbench.data.halves import in_second_half
from tlbench.training.selection import CrossFit, improves, ranked

ROWS = torch.arange(0, 60, 2)
LABELS = torch.from_numpy(np.random.default_rng(0).integers(2, size=len(ROWS)))


def accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(dim=1) == labels).double().mean())


def evaluate(logits: Tensor, labels: Tensor) -> dict[str, float]:
    return {"score": accuracy(logits, labels)}


def logits_of(predictions: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(predictions, 2).float()


def right_on(mask: Tensor) -> Tensor:
    """Logits that are right on these rows and wrong on all others."""
    return logits_of(torch.where(mask, LABELS, 1 - LABELS))


@pytest.mark.parametrize(
    ("score", "best", "expected"),
    [
        (0.0, None, True),
        (math.nan, None, True),
        (0.5, 0.4, True),
        (0.5, 0.5, False),
        (0.4, 0.5, False),
        (math.nan, -math.inf, False),
        (0.0, -math.inf, True),
    ],
)
def test_the_first_of_the_best_counts(score: float, best: float | None, expected: bool) -> None:
    assert improves(score, best) == expected


def test_an_undefined_score_is_the_worst() -> None:
    assert ranked(math.nan) == -math.inf
    assert ranked(0.25) == 0.25


def test_each_half_is_scored_by_what_the_other_has_chosen() -> None:
    fit = CrossFit.over(ROWS, "rte", 3)
    second = torch.from_numpy(in_second_half(ROWS.numpy(), "rte", 3))
    fit = fit.after(10, right_on(~second), LABELS, evaluate)
    fit = fit.after(20, right_on(second), LABELS, evaluate)
    assert fit.steps == [10, 20]
    # Each has been chosen for the rows that it is right on, and is wrong on all others.
    assert fit.metrics(LABELS, evaluate) == {"score": 0}
    for mask in (second, ~second):
        chosen = right_on(~mask)
        assert torch.equal(fit.logits[mask], chosen[mask])


def test_of_equally_good_evaluations_the_earlier_counts() -> None:
    fit = CrossFit.over(ROWS, "rte", 0)
    everything = torch.ones(len(ROWS), dtype=torch.bool)
    for step in (1, 2, 3):
        fit = fit.after(step, right_on(everything) * step, LABELS, evaluate)
    assert fit.steps == [1, 1]
    assert torch.equal(fit.logits, right_on(everything))


def test_a_half_without_a_defined_score_takes_the_first_until_there_is_one() -> None:
    scores = iter([math.nan, math.nan, 0.1, math.nan, math.nan, 0.2])
    fit = CrossFit.over(ROWS, "rte", 0)
    for step, expected in ((1, [1, 1]), (2, [2, 1]), (3, [2, 3])):
        fit = fit.after(step, right_on(ROWS > 5), LABELS, lambda *_: {"score": next(scores)})
        assert fit.steps == expected


def test_a_dev_split_of_one_row_is_scored_by_the_first_evaluation() -> None:
    fit = CrossFit.over(ROWS[:1], "rte", 0)
    for step, right in ((1, False), (2, True)):
        logits = right_on(torch.full((len(ROWS),), right))[:1]
        fit = fit.after(step, logits, LABELS[:1], evaluate)
    assert fit.steps == [2, 1]
    assert fit.metrics(LABELS[:1], evaluate) == {"score": 0}


def test_a_checkpoint_holds_all_of_it() -> None:
    fit = CrossFit.over(ROWS, "rte", 0).after(1, right_on(ROWS > 30), LABELS, evaluate)
    again = CrossFit.from_state(asdict(fit))
    assert again.steps == fit.steps
    later = [one.after(2, right_on(ROWS > 10), LABELS, evaluate) for one in (fit, again)]
    assert torch.equal(later[0].logits, later[1].logits)
    assert later[0].steps == later[1].steps


RUNS, EVALUATIONS, TRUE = 500, 10, 0.7


def test_on_a_null_cross_fitted_scores_have_no_bias_and_dev_selected_ones_have() -> None:
    """All evaluations are equally good, each with errors of its own on 277 rows (those of RTE)."""
    draw = np.random.default_rng(0)
    labels = torch.zeros(277, dtype=torch.long)
    by_dev, crossed = np.empty(RUNS), np.empty(RUNS)
    for run in range(RUNS):
        fit, best = CrossFit.over(torch.arange(277), "rte", run), None
        for step in range(EVALUATIONS):
            wrong = torch.from_numpy(draw.uniform(size=277) > TRUE)
            logits = logits_of(wrong.long())
            score = accuracy(logits, labels)
            best = score if improves(score, best) else best
            fit = fit.after(step, logits, labels, evaluate)
        by_dev[run], crossed[run] = best, fit.metrics(labels, evaluate)["score"]
    error = crossed.std() / math.sqrt(RUNS)
    assert abs(crossed.mean() - TRUE) < 3 * error
    # The largest of ten of a binomial proportion's errors: 1.54 of its standard deviations.
    expected = 1.54 * math.sqrt(TRUE * (1 - TRUE) / 277)
    assert by_dev.mean() - TRUE == pytest.approx(expected, rel=0.1)
    assert crossed.mean() + 10 * error < by_dev.mean()


def pearson(logits: Tensor, labels: Tensor) -> dict[str, float]:
    return {"score": float(torch.corrcoef(torch.stack([logits[:, 0], labels]))[0, 1])}


def test_evaluations_of_other_scales_do_not_bias_a_correlation() -> None:
    """On a null too: over all rows at once the correlation would be 1.4 points lower."""
    draw, rows = np.random.default_rng(0), 1500
    crossed, whole, true = np.empty((3, 200))
    for run in range(200):
        labels = torch.from_numpy(draw.standard_normal(rows))
        fit, scores = CrossFit.over(torch.arange(rows), "stsb", run), []
        for step in range(EVALUATIONS):
            noise = torch.from_numpy(draw.standard_normal(rows))
            scale, start = np.exp(0.2 * draw.standard_normal()), 0.2 * draw.standard_normal()
            logits = (scale * (0.85 * labels + 0.53 * noise) + start)[:, None]
            scores.append(pearson(logits, labels)["score"])
            fit = fit.after(step, logits, labels, pearson)
        crossed[run] = fit.metrics(labels, pearson)["score"]
        whole[run] = pearson(fit.logits, labels)["score"]
        true[run] = np.mean(scores)
    bias = crossed - true
    assert abs(bias.mean()) < 3 * bias.std() / math.sqrt(len(bias))
    assert (whole - true).mean() < -0.01


def test_a_mean_over_halves_is_weighed_by_their_rows() -> None:
    fit = CrossFit.over(ROWS[:5], "rte", 0).after(1, right_on(ROWS < 5)[:5], LABELS[:5], evaluate)
    assert fit.metrics(LABELS[:5], evaluate)["score"] == pytest.approx(3 / 5)
