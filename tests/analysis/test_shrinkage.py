import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.analysis.shrinkage import moderated, posterior

RANDOM = np.random.default_rng(0)


def test_means_that_differ_by_chance_alone_are_taken_for_one() -> None:
    means = 0.7 + 0.01 * RANDOM.normal(size=12)
    belief = posterior(means, 1e-4 * np.eye(12))
    assert np.ptp(belief.means) < 0.5 * np.ptp(means)
    assert belief.best.max() < 0.5


def test_means_that_differ_by_much_more_than_their_errors_stay() -> None:
    means = np.array([0.5, 0.6, 0.7, 0.8])
    belief = posterior(means, 1e-6 * np.eye(4))
    assert belief.means == pytest.approx(means, abs=1e-3)
    assert belief.best == pytest.approx([0, 0, 0, 1], abs=1e-3)


def test_a_noisy_candidate_is_shrunk_more() -> None:
    means, errors = np.array([0.7, 0.7, 0.7, 0.8, 0.8]), np.array([1, 1, 1, 1, 25]) * 1e-4
    belief = posterior(means, np.diag(errors))
    assert belief.means[4] < belief.means[3] < 0.8


def test_candidates_that_are_the_same_share_the_probability() -> None:
    """As collapsed runs are, which say the same of every row; the others' errors are theirs too."""
    means, shared = np.array([0.4, 0.4, 0.3]), np.full((3, 3), 1e-4)
    covariance = shared + np.diag([0.0, 0.0, 1e-4])
    best = posterior(means, covariance).best
    assert best[0] == pytest.approx(best[1], abs=0.01)
    assert best.sum() == pytest.approx(1)
    assert posterior(np.full(4, 0.4), np.full((4, 4), 1e-4)).best == pytest.approx([0.25] * 4)


@given(st.lists(st.floats(0.2, 0.9), min_size=1, max_size=8), st.floats(-0.1, 0.1))
def test_probabilities_sum_to_1_and_a_shift_of_all_changes_nothing(
    means: list[float], shift: float
) -> None:
    covariance = 1e-4 * np.eye(len(means))
    one, other = (posterior(np.array(means) + by, covariance) for by in (0.0, shift))
    assert one.best.sum() == pytest.approx(1)
    assert other.means - shift == pytest.approx(one.means, abs=1e-6)
    assert other.best == pytest.approx(one.best, abs=0.02)


def test_the_expected_gain_of_the_highest_mean_is_right_on_average() -> None:
    errors = []
    for _ in range(200):
        truth = RANDOM.normal(0, 0.01, 12)
        means = truth + RANDOM.normal(0, 0.01, 12)
        belief = posterior(means, 1e-4 * np.eye(12))
        best = int(means.argmax())
        errors.append((means[best] - truth[best], belief.means[best] - truth[best]))
    raw, shrunk = np.mean(errors, axis=0)
    assert raw > 0.005
    assert abs(shrunk) < 0.003


@pytest.mark.slow
def test_probabilities_are_as_often_right_as_they_say() -> None:
    said, is_best = [], []
    for _ in range(400):
        width = min(20, 2 * abs(RANDOM.standard_cauchy()))  # of the prior, in standard errors
        truth = RANDOM.normal(0, 0.01 * width, 6)
        means = truth + RANDOM.normal(0, 0.01, 6)
        said.append(posterior(means, 1e-4 * np.eye(6)).best)
        is_best.append(np.arange(6) == truth.argmax())
    probabilities, hits = np.concatenate(said), np.concatenate(is_best)
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 1.0)):
        part = (probabilities >= low) & (probabilities <= high)
        assert hits[part].mean() == pytest.approx(probabilities[part].mean(), abs=0.06)


def test_variances_that_differ_by_chance_are_taken_for_one_and_others_keep_apart() -> None:
    freedom = np.full(200, 4)
    same = RANDOM.chisquare(4, 200) / 4
    assert np.ptp(moderated(same, freedom)) < 0.3 * np.ptp(same)
    assert moderated(same, freedom).mean() == pytest.approx(1, abs=0.06)
    apart = same * np.where(np.arange(200) < 100, 1, 1e4)
    found = moderated(apart, freedom)
    assert found[:100].mean() < 10
    assert found[100:].mean() > 3e3


def test_a_variance_of_0_is_taken_as_the_others_is() -> None:
    found = moderated(np.array([0.0, 1.0, 1.2, 0.9]), np.full(4, 4))
    assert 0.5 < found[0] < 1.5
