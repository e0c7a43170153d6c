import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.support.planted import GLUE, SEEDS, config, grid, heuristic_holds, none, record
from tests.support.tables import Table
from tlbench.analysis.collect import PAIR
from tlbench.analysis.comparisons import (
    ALPHA,
    compare,
    counts,
    gains,
    seed_interval,
    with_tests,
)
from tlbench.analysis.corrections import corrected
from tlbench.analysis.names import Sides
from tlbench.analysis.settings import missing
from tlbench.records.record import ResultRecord

TWO = {"rte": 100, "mnli": 400}


def runs(frame: pd.DataFrame, strategy: str, row: pd.Series) -> np.ndarray:
    scores = frame[frame.strategy == strategy].set_index([*PAIR, "seed"]).score
    return scores.sort_index().loc[tuple(row[PAIR])].to_numpy()


def test_every_statistic_is_scipys(table: Table) -> None:
    records = table(grid(GLUE, heuristic_holds))
    comparisons = compare(records)
    assert len(comparisons) == 72
    for _, row in comparisons.iterrows():
        mtl, stilts = runs(records, "mtl", row), runs(records, "stilts", row)
        assert row.difference == pytest.approx(mtl.mean() - stilts.mean())
        for name, test in (
            ("student", stats.ttest_ind(mtl, stilts)),
            ("welch", stats.ttest_ind(mtl, stilts, equal_var=False)),
            ("paired", stats.ttest_rel(mtl, stilts)),
        ):
            assert (row[f"{name}_t"], row[f"{name}_p"]) == pytest.approx(test)
        bounds = stats.ttest_ind(mtl, stilts, equal_var=False).confidence_interval(1 - ALPHA)
        assert (row.low_seeds, row.high_seeds) == pytest.approx(tuple(bounds))
        pooled = np.sqrt((mtl.var(ddof=1) + stilts.var(ddof=1)) / 2)
        assert row.hedges_g == pytest.approx((1 - 3 / 31) * row.difference / pooled)


def test_only_common_seeds_are_compared(table: Table) -> None:
    records = [r for r in grid(TWO, none) if not (r.strategy == "mtl" and r.seed == SEEDS[0])]
    frame = table(records)
    row = compare(frame).iloc[0]
    assert row.seeds == 4
    assert row["second"] == pytest.approx(
        frame[(frame.strategy == "stilts") & (frame.target == row.target)]
        .query(f"seed != {SEEDS[0]}")
        .score.mean()
    )


def test_one_seed_gives_scores_without_tests(table: Table) -> None:
    comparisons = compare(table(grid(TWO, none, seeds=[1])))
    assert comparisons.difference.notna().all()
    undefined = ["student_p", "welch_p", "paired_p", "welch_holm", "low_seeds", "hedges_g"]
    assert comparisons[undefined].isna().all().all()
    assert list(counts(comparisons).pairs) == [0, 0, 0]


def test_no_spread_over_seeds_is_no_test_and_no_certainty(table: Table) -> None:
    records = grid(TWO, none, noise=0.0)
    assert compare(table(records))[["student_p", "paired_p", "low_seeds"]].isna().all().all()


def test_the_rounding_of_scores_is_no_spread(table: Table) -> None:
    """Scores are of 32 bits: 0.913 - 0.9 and 0.313 - 0.3 differ in the eighth digit."""
    score = {("stilts", 0): 0.9, ("mtl", 0): 0.913, ("stilts", 1): 0.3, ("mtl", 1): 0.313}
    records = [
        record(strategy, "rte", "mnli", TWO, seed, float(np.float32(value)))
        for (strategy, seed), value in score.items()
    ]
    (row,) = compare(table(records)).itertuples()
    assert row.sd_difference > 0
    assert np.isnan(row.paired_p)
    assert not np.isnan(row.student_p)


def test_gains_are_over_single_at_the_same_size(table: Table) -> None:
    half = {"rte": 50, "mnli": 400}
    records = [record("single", "rte", None, TWO, s, 0.6 + s / 100) for s in range(3)]
    records += [record("single", "rte", None, half, s, 0.5 + s / 50) for s in range(3)]
    records += [record("mtl", "rte", "mnli", half, s, 0.55 + s / 25) for s in range(3)]
    (row,) = gains(table(records)).itertuples()
    assert row.target_rows == 50
    assert row.difference == pytest.approx(np.mean([0.05, 0.07, 0.09]))


def test_sizes_are_pairs_of_their_own(table: Table) -> None:
    halves = grid({"rte": 50, "mnli": 400}, none)
    comparisons = compare(table([*grid(TWO, none), *halves]))
    assert len(comparisons) == 4
    assert set(comparisons.seeds) == {5}


def at(method: str, scores: dict[str, float], seeds: int = 3) -> list[ResultRecord]:
    """Records on rte with mnli under a method, of which each seed scores a little more."""
    return [
        record(
            name, "rte", "mnli", TWO, seed, score + seed / 100, config=config(name, "rte", method)
        )
        for name, score in scores.items()
        for seed in range(seeds)
    ]


def test_a_side_without_a_method_is_compared_with_every_method(table: Table) -> None:
    frame = table([*at("sum", {"mtl": 0.6, "stilts": 0.5}), *at("mean", {"mtl": 0.7})])
    by_method = compare(frame).set_index("method")
    assert by_method.difference.to_dict() == pytest.approx({"sum": 0.1, "mean": 0.2})
    assert list(by_method.seeds) == [3, 3]
    other_way = compare(frame, "stilts", "mtl").set_index("method")
    assert other_way.difference.to_dict() == pytest.approx({"sum": -0.1, "mean": -0.2})


def test_two_sides_with_methods_are_compared_at_the_same_one(table: Table) -> None:
    """Of three methods one is common; no difference between methods counts as one of sides."""
    first = [*at("sum", {"mtl": 0.6}), *at("mean", {"mtl": 0.7})]
    second = [*at("mean", {"mine": 0.65}), *at("other", {"mine": 0.1})]
    (row,) = compare(table([*first, *second]), "mtl", "mine").itertuples()
    assert (row.method, row.difference) == ("mean", pytest.approx(0.05))


def merged(*rules: str) -> list[ResultRecord]:
    """Records of merges on rte with mnli, which ignore the method as their strategy says."""
    records = []
    for place, rule in enumerate(rules):
        for one in at("sum", {"merge": 0.5 + place / 10}):
            one.config["strategy"]["without_effect"] = ["method"]
            one.config["merging"] = {"name": rule, "label": rule.title()}
            records.append(one)
    return records


def test_two_sides_without_a_common_method_are_compared_at_every_one(table: Table) -> None:
    frame = table([*merged("average", "regmean"), *at("sum", {"mtl": 0.7, "stilts": 0.8})])
    by_method = compare(frame, "merge", "mtl").set_index("method")
    differences = {"average vs sum": -0.2, "regmean vs sum": -0.1}
    assert by_method.difference.to_dict() == pytest.approx(differences)
    against_none = compare(frame, "stilts", "merge").set_index("method")
    assert against_none.difference.to_dict() == pytest.approx({"average": 0.3, "regmean": 0.2})


def test_what_no_seed_of_both_has_is_missing_at_both_methods(table: Table) -> None:
    records = [*merged("average", "regmean"), *at("sum", {"mtl": 0.7})]
    for one in records:
        one.seed += 10 * (one.config.get("merging", {}).get("name") == "regmean")
    frame = table(records)
    sides = Sides("merge", "mtl", "merge", "MTL")
    assert missing(frame, compare(frame, *sides.names), sides) == [
        ("rte", "mnli", "regmean vs sum")
    ]


def test_no_seed_counts_twice_where_some_records_know_no_method(table: Table) -> None:
    unknown = at("sum", {"mtl": 0.6})
    for one in unknown:
        one.config["method"] = {}
    frame = table([*unknown, *at("sum", {"mtl": 0.6, "mine": 0.5})])
    assert list(compare(frame, "mtl", "mine").seeds) == [3, 3]


def test_gains_are_of_every_method(table: Table) -> None:
    records = [*at("sum", {"mtl": 0.6}), *at("mean", {"mtl": 0.7, "single": 0.5})]
    by_method = gains(table(records)).set_index("method")
    assert by_method.difference.to_dict() == pytest.approx({"sum": 0.1, "mean": 0.2})


def simulated(effect: float, pairs: int, seeds: int = 5) -> pd.DataFrame:
    """Comparisons of normal scores, without the way over disk."""
    draw = np.random.default_rng(3)
    return with_tests(
        pd.DataFrame(
            {
                "pair": np.repeat(np.arange(pairs), seeds),
                "seed": np.tile(np.arange(seeds), pairs),
                "score_first": 0.7 + effect + 0.01 * draw.standard_normal(pairs * seeds),
                "score_second": 0.7 + 0.01 * draw.standard_normal(pairs * seeds),
            }
        ),
        ["pair"],
    )


@pytest.fixture(scope="module")
def null() -> pd.DataFrame:
    return simulated(0.0, 72 * 150)


def test_false_positives_are_at_alpha_uncorrected(null: pd.DataFrame) -> None:
    assert (null.student_p < ALPHA).mean() == pytest.approx(ALPHA, abs=0.01)
    assert (null.paired_p < ALPHA).mean() == pytest.approx(ALPHA, abs=0.01)
    # Welch's is known to be careful with so few seeds
    assert ALPHA - 0.03 < (null.welch_p < ALPHA).mean() < ALPHA + 0.01


def test_false_positives_are_below_alpha_corrected(null: pd.DataFrame) -> None:
    studies = [corrected(null.iloc[start : start + 72].copy()) for start in range(0, len(null), 72)]
    for test in ("welch", "paired"):
        for name, most in (("p", 1.0), ("holm", 0.15), ("bh", 0.15)):
            any_found = np.mean([(study[f"{test}_{name}"] < ALPHA).any() for study in studies])
            assert any_found <= most, (test, name)
        assert np.mean([(study[f"{test}_p"] < ALPHA).any() for study in studies]) > 0.9


@pytest.mark.parametrize("noisier", [1.0, 3.0])
def test_intervals_over_seeds_cover_at_their_rate_whichever_side_is_noisier(noisier: float) -> None:
    draw = np.random.default_rng(3)
    first, second = (0.01 * draw.standard_normal((4000, 5)) * by for by in (noisier, 1.0))
    runs = pd.DataFrame(
        {
            "pair": np.repeat(np.arange(4000), 5),
            "seed": np.tile(np.arange(5), 4000),
            "score_first": (0.72 + first).ravel(),
            "score_second": (0.7 + second).ravel(),
        }
    )
    bounds = seed_interval(with_tests(runs, ["pair"]))
    covered = ((bounds.low_seeds < 0.02) & (bounds.high_seeds > 0.02)).mean()
    assert 1 - ALPHA - 0.012 < covered < 1 - ALPHA + 0.03


def test_the_papers_test_is_in_no_correction(table: Table) -> None:
    """Of one side three times as noisy, Holm on Student's p errs in a fifth of all studies."""
    comparisons = compare(table(grid(TWO, none)))
    assert not [
        name for name in comparisons if name.startswith("student_") and name[8:] in ("holm", "bh")
    ]
    counted = counts(comparisons).set_index("test")
    assert counted.loc["student", ["holm", "bh"]].isna().all()
    assert counted.loc[["welch", "paired"], ["holm", "bh"]].notna().all().all()
