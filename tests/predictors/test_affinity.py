"""Planted studies: what a task gains follows from sizes, curves or texts, or from nothing."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from tlbench.errors import UserError
from tlbench.predictors.affinity import judged, predicted, trained_groups
from tlbench.predictors.pair_features import DEFAULT, FEATURES
from tlbench.predictors.pairs import known_groups, pair_gains

Gain = Callable[[str, str], float]
TASKS = {"a": 100, "b": 200, "c": 400, "d": 800, "e": 1600, "f": 3200}


EARLY = dict(zip(TASKS, (0.05, -0.05, 0.1, 0.0, 0.08, -0.02), strict=True))


def by_size(slope: float) -> Gain:
    return lambda target, support: slope * np.log2(TASKS[support] / 500)


GROWS = by_size(0.02)


def study(gain_of: Gain = GROWS, noise: float = 0.002, groups: bool = False) -> pd.DataFrame:
    """Gains of pairs that grow with the support's size, by 0.02 for each doubling, or others."""
    random = np.random.default_rng(0)
    rows: list[dict[str, object]] = []

    def add(strategy: str, target: str, support: str, gain: float, stage: str) -> None:
        for seed in range(3):
            rows.append(
                {
                    "strategy": strategy,
                    "target": target,
                    "support": support,
                    "method": "-",
                    "seed": seed,
                    "score": 0.6 + gain + noise * random.normal(),
                    "target_rows": TASKS[target],
                    "support_rows": TASKS.get(support, 0),
                    "majority_score": 0.5,
                    "outcome": "scored",
                    "stages": stage,
                }
            )

    for target in TASKS:
        add("single", target, "-", 0.0, target)
        if groups:
            add("mtl_all", target, "all", 0.03, "together")
        for support in TASKS:
            if support != target:
                add("mtl", target, support, gain_of(target, support), f"{target}{support}")
    return pd.DataFrame(rows)


def test_a_pair_has_its_gain_and_what_is_known_of_both_tasks() -> None:
    pairs = pair_gains(study(noise=0)).set_index(["target", "support"])
    assert len(pairs) == 30
    one = pairs.loc["a", "f"]
    assert one.gain == pytest.approx(0.02 * np.log2(3200 / 500))
    assert one["target rows"] == pytest.approx(np.log(100))
    assert one.ratio == pytest.approx(np.log(1 / 32))
    assert one.headroom == pytest.approx(0.2)
    assert {column for group in FEATURES.values() for column in group} < {*pairs.columns}
    assert known_groups(pairs) == ["sizes", "scores"]


def test_where_gains_follow_from_sizes_the_ridge_finds_it_and_beats_the_mean() -> None:
    by_name = {one.predictor: one for one in judged(pair_gains(study()))}
    assert by_name["ridge"].explained > 0.9
    assert by_name["ridge"].absolute < by_name["size_rule"].absolute < by_name["mean"].absolute
    assert by_name["ridge"].right_side > 0.9


def test_where_gains_follow_from_nothing_the_ridge_does_little_harm() -> None:
    by_name = {one.predictor: one for one in judged(pair_gains(study(by_size(0), noise=0.02)))}
    assert by_name["ridge"].absolute < 1.5 * by_name["mean"].absolute


def curved(table: pd.DataFrame, points: int = 3) -> pd.DataFrame:
    """The same with curves whose first score is 0.5 + ``EARLY``, the other ones 0.6."""
    later = "".join(f" {10 * at}:0.6" for at in range(2, points + 1))
    curves = table.target.map(lambda task: f"10:{0.5 + EARLY[task]}{later}")
    return table.assign(curve=curves.where(table.strategy == "single", ""))


def test_where_gains_follow_from_curves_the_ridge_needs_them() -> None:
    pairs = pair_gains(curved(study(lambda target, support: EARLY[support] - EARLY[target])))
    assert known_groups(pairs) == ["sizes", "scores", "curves"]
    by_name = {one.predictor: one for one in judged(pairs, ["sizes", "curves"])}
    assert by_name["ridge"].explained > 0.8 > 0.2 > by_name["ridge without curves"].explained
    assert by_name["ridge"].absolute < 0.5 * by_name["mean"].absolute
    assert {"ridge without sizes", "ridge with scores", "size_rule"} < {*by_name}


def test_where_gains_follow_from_cosines_the_ridge_needs_them() -> None:
    """One stage of all tasks, trained by a method that has their gradients, tells all pairs."""
    cosine = {
        frozenset((one, other)): np.cos(7 * n)
        for n, (one, other) in enumerate(combinations(TASKS, 2))
    }
    table = study(lambda target, support: 0.05 * cosine[frozenset((target, support))], groups=True)
    words = " ".join(f"{'+'.join(sorted(pair))}:{value:.4f}" for pair, value in cosine.items())
    pairs = pair_gains(table.assign(cosines=np.where(table.support == "all", words, "")))
    assert known_groups(pairs) == ["sizes", "scores", "cosines"]
    by_name = {one.predictor: one for one in judged(pairs, ["sizes", "cosines"])}
    assert by_name["ridge"].explained > 0.8 > 0.2 > by_name["ridge without cosines"].explained


def test_where_gains_follow_from_texts_the_ridge_needs_them() -> None:
    draw = np.random.default_rng(0)
    alike = {(one, other): draw.uniform() for one in TASKS for other in TASKS if one < other}
    alike |= {(other, one): number for (one, other), number in alike.items()}
    table = study(lambda target, support: 0.1 * alike[target, support] - 0.05)
    pairs = pair_gains(table, texts=alike)
    by_name = {one.predictor: one for one in judged(pairs, [*DEFAULT, "texts"])}
    assert by_name["ridge"].explained > 0.8 > 0.2 > by_name["ridge without texts"].explained
    assert by_name["ridge"].right_side > 0.9


def test_what_some_tasks_lack_counts_as_the_mean_and_what_most_lack_is_left_out() -> None:
    table = curved(study(lambda target, support: EARLY[support] - EARLY[target]))
    some = pair_gains(table.assign(curve=table.curve.where(table.target != "f", "")))
    assert "curves" in known_groups(some)
    assert predicted(some, groups=["curves"]).notna().all()
    most = table.assign(curve=table.curve.where(table.target.isin(["a", "b"]), ""))
    assert "curves" not in known_groups(pair_gains(most))


def test_a_target_is_predicted_without_its_own_pairs() -> None:
    table = study()
    is_pair = (table.target == "a") & (table.strategy == "mtl")
    strange = table.assign(score=table.score.where(~is_pair, 0.1))
    is_a = pair_gains(table).target == "a"
    one, other = (predicted(pair_gains(records))[is_a] for records in (table, strange))
    assert one.to_numpy() == pytest.approx(other.to_numpy())


def test_pairs_that_were_not_trained_are_predicted_too() -> None:
    table = study()
    part = table[(table.strategy == "single") | ~table.target.isin(["e", "f"])]
    pairs = pair_gains(part)
    assert pairs.gain.isna().sum() == 10
    assert predicted(pairs).notna().all()


def test_groups_that_were_trained_stand_beside_what_was_predicted() -> None:
    table = study(groups=True)
    pairs = pair_gains(table)
    said = {(p.target, p.support): 0.01 for p in pairs.itertuples()}
    found = trained_groups(table, said)
    assert set(found.group) == {"a+b+c+d+e+f"}
    assert found.predicted.tolist() == pytest.approx([0.01] * 6)
    assert found.gain.mean() == pytest.approx(0.03, abs=0.005)


def test_too_little_to_predict_from_is_one_sentence() -> None:
    table = study()
    with pytest.raises(UserError, match=r"^Give a study with pairs of three targets"):
        predicted(pair_gains(table[(table.strategy == "single") | table.target.isin(["a", "b"])]))
    with pytest.raises(UserError, match=r"^Give a study in which two tasks"):
        pair_gains(table[table.target == "a"])
