import numpy as np
import pytest

from tlbench.analysis.bootstrap_metrics import Said, score
from tlbench.analysis.row_noise import deviations, row_noise
from tlbench.records.predictions import Saved

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(2, size=300).astype(float)


def saved(said: np.ndarray) -> list[Saved]:  # type: ignore[type-arg]
    return [Saved(np.arange(300.0), LABELS, one) for one in said]


def predictions(seeds: int, rate: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.where(RANDOM.uniform(size=(seeds, 300)) < rate, LABELS, 1 - LABELS)


def test_of_an_accuracy_it_is_the_crossed_formula() -> None:
    runs = predictions(5, 0.8), predictions(4, 0.7)
    correct = [(said == LABELS).astype(float) for said in runs]
    both = deviations("accuracy", saved(np.concatenate(runs)))
    assert both is not None
    noise = row_noise([both[:5], both[5:]], 300)
    difference = correct[0].mean(axis=0) - correct[1].mean(axis=0)
    of_seeds = sum(one.var(axis=0, ddof=1) / len(one) for one in correct)
    expected = difference.var(ddof=1) / 300 - of_seeds.sum() / 300 / 299
    covariance = noise.covariance
    over_rows = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    # The mean over rows of the seeds' variance, and its own over the centred rows, differ a little.
    assert over_rows == pytest.approx(expected, abs=2e-6)
    assert noise.least[0] == pytest.approx(correct[0].var(axis=0, ddof=1).mean() / 300, rel=0.02)


def test_what_seeds_do_not_share_is_no_noise_of_rows() -> None:
    runs = predictions(400, 0.8)
    vectors = deviations("accuracy", saved(runs))
    assert vectors is not None
    noise = row_noise([vectors], 300)
    assert abs(noise.covariance[0, 0]) < 0.05 * (0.8 * 0.2 / 300)


def test_a_run_that_all_seeds_repeat_has_the_binomials_error() -> None:
    vectors = deviations("accuracy", saved(np.repeat(predictions(1, 0.8), 3, axis=0)))
    assert vectors is not None
    assert row_noise([vectors], 300).covariance[0, 0] == pytest.approx(0.8 * 0.2 / 300, rel=0.1)


@pytest.mark.parametrize("metric", ["accuracy", "mse"])
def test_the_bootstrap_gives_what_is_exact_of_a_mean(metric: str) -> None:
    said = predictions(3, 0.75)
    exact = deviations(metric, saved(said))
    twice = deviations(f"{metric}+{metric}", saved(said))  # no single mean: bootstrapped
    assert exact is not None
    assert twice is not None
    assert twice @ twice.T == pytest.approx(exact @ exact.T, rel=0.15, abs=1e-4)


@pytest.mark.parametrize("metric", ["f1", "weighted_f1", "matthews", "spearman", "accuracy+f1"])
def test_other_scores_have_about_the_error_of_a_jackknife(metric: str) -> None:
    said = predictions(2, 0.8) + (0.1 * RANDOM.normal(size=(2, 300)) if metric == "spearman" else 0)
    vectors = deviations(metric, saved(said))
    assert vectors is not None
    left_out = score(metric, Said(LABELS, said), np.ones((300, 300)) - np.eye(300))
    jackknife = 299 / 300 * ((left_out - left_out.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    assert np.diag(vectors @ vectors.T) == pytest.approx(jackknife, rel=0.15)


@pytest.mark.parametrize("metric", ["auroc", "average_precision"])
def test_so_have_rankings_which_are_of_probabilities(metric: str) -> None:
    of_second = 1 / (1 + np.exp(-2 * LABELS - RANDOM.normal(size=(2, 300))))
    probabilities = np.stack([1 - of_second, of_second], axis=2)
    said = np.round(of_second)
    runs = [
        one._replace(probabilities=p) for one, p in zip(saved(said), probabilities, strict=True)
    ]
    vectors = deviations(metric, runs)
    assert vectors is not None
    every = Said(LABELS, said, probabilities)
    left_out = score(metric, every, np.ones((300, 300)) - np.eye(300))
    jackknife = 299 / 300 * ((left_out - left_out.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    assert np.diag(vectors @ vectors.T) == pytest.approx(jackknife, rel=0.15)


def test_a_metric_of_somebodys_own_has_none() -> None:
    assert deviations("within_one", saved(predictions(2, 0.8))) is None


def test_what_has_no_predictions_is_not_known_and_one_seed_says_nothing_of_seeds() -> None:
    vectors = deviations("accuracy", saved(predictions(3, 0.8)))
    assert vectors is not None
    noise = row_noise([vectors[:2], None, vectors[2:]], 300)
    assert np.isnan(noise.covariance[1]).all()
    assert np.isnan(noise.covariance[:, 1]).all()
    assert not np.isnan(noise.covariance[np.ix_([0, 2], [0, 2])]).any()
    assert np.isnan(noise.least[1:]).all()
    assert np.isnan(row_noise([None, None], 0).covariance).all()
