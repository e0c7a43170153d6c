"""Measures how often the verdict errs, on studies whose truth was planted.

python -m benchmarks.verdict_levels --targets 300

Each target is a growing study: it is judged at every look, and what is wrong at any of them counts.
"""

import argparse
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.planted_truths import (
    CANDIDATES,
    GAINS,
    NULLS,
    Truth,
    normal_gains,
    number_of,
    study,
)
from tlbench.analysis import verdict
from tlbench.analysis.judged import MATTERS
from tlbench.analysis.looks import LOOKS
from tlbench.analysis.verdicts import Verdict

ROWS = (277, 1000)
HEADINGS = (
    "truth",
    "rows",
    "false claims, any look",
    "all intervals hold, all looks",
    "all hold at 5 seeds",
    "set lacks the best, any look",
    "proved at 5, 10 seeds",
    "version 1: false, any look",
    "proved by it",
    "raw gain too high by",
    "shrunk gain too high by",
)
SPREADS = (0.01, 0.03)  # of true gains that are normal
BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)  # of the probability of being the best


Beliefs = list[tuple[float, bool]]


@dataclass
class Tally:
    """What was counted of one truth and one number of rows; lists have one entry a target.

    Attributes:
        false_claims: whether ``better`` or ``not worse`` was said wrongly, at any look.
        version_1: whether version 1 said "evidence" wrongly, if asked at every number of seeds.
        uncovered: by look, whether any candidate's interval missed its true gain; at 0, at any.
        without_best: whether the set lacked a best candidate, at any look.
        found, found_1: by look, whether the true best was proved better, and by version 1.
        raw, shrunk: gain of the best guess over single, less its true gain, at five seeds.
    """

    false_claims: list[bool] = field(default_factory=list)
    version_1: list[bool] = field(default_factory=list)
    uncovered: dict[int, list[bool]] = field(default_factory=dict)
    without_best: list[bool] = field(default_factory=list)
    found: dict[int, list[bool]] = field(default_factory=dict)
    found_1: dict[int, list[bool]] = field(default_factory=dict)
    raw: list[float] = field(default_factory=list)
    shrunk: list[float] = field(default_factory=list)


def measure(
    truth: Truth, rows: int, targets: int, at: Sequence[int] = LOOKS, random: int = 0
) -> Tally:
    """Judge targets at every look, and count what is wrong."""
    tally = Tally()
    for number in range(targets):
        table, predictions = study(truth, rows, max(at), np.random.default_rng([random, number]))
        verdicts = {}
        for seeds in at:
            part = table[table.seed < seeds]
            (verdicts[seeds],) = verdict(part, {run: predictions[run] for run in part.index})
        _count(tally, truth, verdicts)
        evidence = {n: version_1(table[table.seed < n]) for n in range(2, max(at) + 1)}
        is_null = truth.gains.max() <= 0
        tally.version_1.append(any(word > 0 for word in evidence.values()) and is_null)
        for seeds in at:
            tally.found_1.setdefault(seeds, []).append(evidence[seeds] > 0)
    return tally


def _count(tally: Tally, truth: Truth, verdicts: dict[int, Verdict]) -> None:
    best = truth.gains.max()
    claims, missed, lacks = False, False, False
    for seeds, one in verdicts.items():
        gains = [(candidate, truth.gains[number_of(candidate.key)]) for candidate in one.candidates]
        claims |= any(
            (candidate.proved == "better" and gain <= 0)
            or (candidate.proved == "not worse" and gain <= -MATTERS)
            for candidate, gain in gains
        )
        misses = any(not c.low <= gain <= c.high for c, gain in gains if not math.isnan(c.low))
        tally.uncovered.setdefault(seeds, []).append(misses)
        missed |= misses
        kept = {number_of(candidate.key) for candidate in one.may_be_best}
        # Of candidates that tie at the top, each is a best one.
        lacks |= int(np.flatnonzero(truth.gains == best)[-1]) not in kept
        proved = any(c.proved == "better" and gain == best > 0 for c, gain in gains)
        tally.found.setdefault(seeds, []).append(proved)
    tally.false_claims.append(claims)
    tally.uncovered.setdefault(0, []).append(missed)
    tally.without_best.append(lacks)
    if 5 in verdicts and (guess := verdicts[5].best):
        gain = truth.gains[number_of(guess.key)]
        tally.raw.append(guess.gain - gain)
        tally.shrunk.append(guess.shrunk - gain)


def version_1(table: pd.DataFrame) -> float:
    """Return the lower bound of the highest mean's gain in version 1: above 0 was "evidence".

    Its spread was pooled over all candidates, its quantile Bonferroni's, and rows had no part.
    """
    grouped = table.groupby(["strategy", "support"]).score
    mean, variance, seeds = grouped.mean(), grouped.var(), int(grouped.size().iloc[0])
    single = mean["single"].iloc[0]
    others = mean.drop("single")
    quantile = stats.t.ppf(1 - 0.1 / 2 / len(others), len(mean) * (seeds - 1))
    return float(others.max() - single - quantile * np.sqrt(variance.mean() * 2 / seeds))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was measured, as Markdown."""
    parser = argparse.ArgumentParser("python -m benchmarks.verdict_levels", description=__doc__)
    parser.add_argument("--targets", type=int, default=100, help="of each truth and rows")
    targets = parser.parse_args(arguments).targets
    at = LOOKS
    print(f"{targets} targets a line, {CANDIDATES} candidates, judged at {at} seeds, level 90%.\n")
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for truth in (*NULLS, *GAINS):
        for rows in ROWS:
            print(_line(truth, rows, measure(truth, rows, targets)), flush=True)
    for spread in SPREADS:
        found, too_high = expect(spread, targets)
        print(f"\nTrue gains spread by {100 * spread:g} points:\n\n{_calibration(found)}\n")
        print(
            "The best guess's gain is too high by {:+.2f}, to expect by {:+.2f}.".format(*too_high)
        )


def expect(spread: float, targets: int, rows: int = 1000) -> tuple[Beliefs, tuple[float, float]]:
    """Judge targets at five seeds whose true gains are normal, as the verdict's prior has them.

    Returns:
        Of every candidate the probability of being the best, and whether it is; and by how many
        points the best guess's gain is too high on average, as measured and to expect.
    """
    beliefs: Beliefs = []
    errors = []
    for number in range(targets):
        random = np.random.default_rng([5, number])
        truth = normal_gains(spread, random)
        table, predictions = study(truth, rows, 5, random)
        (one,) = verdict(table, {run: predictions[run] for run in table.index})
        gains = {candidate: truth.gains[number_of(candidate.key)] for candidate in one.candidates}
        beliefs += [(c.probability, gain == truth.gains.max()) for c, gain in gains.items()]
        if guess := one.best:
            errors.append((guess.gain - gains[guess], guess.shrunk - gains[guess]))
    raw, shrunk = 100 * np.mean(errors, axis=0)
    return beliefs, (float(raw), float(shrunk))


def _line(truth: Truth, rows: int, tally: Tally) -> str:
    kept = {look: 1 - np.mean(missed) for look, missed in tally.uncovered.items()}
    cells = [
        truth.name,
        f"{rows:,}",
        f"{np.mean(tally.false_claims):.1%}",
        f"{kept[0]:.1%}",
        f"{kept[5]:.1%}",
        f"{np.mean(tally.without_best):.1%}",
        ", ".join(f"{np.mean(tally.found[n]):.0%}" for n in (5, 10)),
        f"{np.mean(tally.version_1):.1%}",
        ", ".join(f"{np.mean(tally.found_1[n]):.0%}" for n in (5, 10)),
        f"{100 * np.mean(tally.raw):+.2f}",
        f"{100 * np.mean(tally.shrunk):+.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _calibration(beliefs: Beliefs) -> str:
    said, is_best = np.array(beliefs, float).T
    lines = [
        "| probability of being the best | candidates | mean | are the best |",
        "|---|---|---|---|",
    ]
    for low, high in itertools.pairwise(BINS):
        part = (said >= low) & (said <= high if high == 1 else said < high)
        if part.any():
            means = f"{said[part].mean():.1%} | {is_best[part].mean():.1%}"
            lines.append(f"| {low:.0%} to {high:.0%} | {part.sum():,} | {means} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
