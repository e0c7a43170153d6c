"""Says what a report's intervals hold for, and what not."""

import numpy as np

from tlbench.analysis.collect import done
from tlbench.analysis.protocol import Protocols
from tlbench.analysis.study import Analysis
from tlbench.analysis.verdicts import Candidate
from tlbench.console import points

_SELECTION = {
    "dev": "The dev rows that are reported have also chosen the weights (selection=dev), which "
    "makes every score a little high",
    "cross_fit": "Each half of dev is scored by the weights that the other half chose "
    "(selection=cross_fit), so that choosing makes no score high",
    "held_out": "A tenth of the train rows chose the weights (selection=held_out), so that dev "
    "only reports",
}


def coverage(analysis: Analysis, protocols: Protocols) -> list[str]:
    """Return what intervals of the answer cover: a sentence each."""
    return [
        *_seeds_and_rows(analysis),
        "All runs of a target train on the same rows: no interval covers another draw of them.",
        *_selection(analysis, protocols),
    ]


def _seeds_and_rows(analysis: Analysis) -> list[str]:
    of_target = {
        f"{advice.target} ({advice.target_rows:,} rows)": [
            one for one in advice.verdict.candidates if np.isfinite(one.low)
        ]
        for advice in analysis.advice
    }
    every = [one for those in of_target.values() for one in those]
    with_rows = [one for one in every if one.has_rows]
    if not every:
        return ["There are no intervals: they take two seeds or more of a candidate and of single."]
    sentences = []
    if with_rows:
        ratios = {
            name: float(np.median([_wider(one) for one in those if one.has_rows]))
            for name, those in of_target.items()
            if any(one.has_rows for one in those)
        }
        median = float(np.median([_wider(one) for one in with_rows]))
        most = max(ratios, key=lambda name: ratios[name])
        alone = float(np.median([one.seeds_half for one in with_rows]))
        both = float(np.median([_half(one) for one in with_rows]))
        sentences.append(
            f"Intervals hold for other seeds and other dev rows. In the median of "
            f"{len(with_rows)} gains rows widen them {median:.2f} times, from ±{points(alone)} "
            f"points over seeds alone to ±{points(both)}; most for {most}, {ratios[most]:.2f} "
            f"times."
        )
    without = len(every) - len(with_rows)
    if without:
        sentences.append(
            f"{without} of {len(every)} intervals hold for other seeds alone, not for other dev "
            f"rows, as predictions of their runs are not saved: with those they would be wider."
        )
    return sentences


def _wider(one: Candidate) -> float:
    return _half(one) / one.seeds_half


def _half(one: Candidate) -> float:
    return (one.high - one.low) / 2


def _selection(analysis: Analysis, protocols: Protocols) -> list[str]:
    numbers = done(analysis.table).protocol.unique()
    values = {protocols.flat[number].get("selection") for number in numbers}
    return [f"{text}." for name, text in _SELECTION.items() if name in values]
