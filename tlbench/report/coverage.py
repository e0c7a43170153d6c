"""Says what a report's intervals hold for, and what not."""

import numpy as np

from tlbench.analysis.advice import Advice
from tlbench.analysis.bootstrap_metrics import can_resample
from tlbench.analysis.collect import done
from tlbench.analysis.judged import Candidate
from tlbench.analysis.protocol import Protocols
from tlbench.analysis.study import Analysis
from tlbench.console import points

_SELECTION = {
    "dev": "The dev rows that are reported have also chosen the weights (selection=dev), which "
    "makes every score a little high",
    "cross_fit": "Each half of dev is scored by the weights that the other half chose "
    "(selection=cross_fit), so that choosing makes no score high",
    "held_out": "A tenth of the train rows chose the weights (selection=held_out), so that dev "
    "only reports",
}


_ROUNDING = 1e-9


def coverage(analysis: Analysis, protocols: Protocols) -> list[str]:
    """Return what intervals of the answer cover: a sentence each."""
    return [
        *_seeds_and_rows(analysis),
        "All runs of a target train on the same rows: no interval covers another draw of them.",
        *_selection(analysis, protocols),
    ]


def _seeds_and_rows(analysis: Analysis) -> list[str]:
    every = [
        (advice, one)
        for advice in analysis.advice
        for one in advice.verdict.candidates
        if np.isfinite(one.low)
    ]
    if not every:
        return ["There are no intervals: they take two seeds or more of a candidate and of single."]
    with_rows = [(advice, one) for advice, one in every if one.has_rows]
    sentences = _widths(with_rows) if with_rows else []
    without = [advice.verdict.metric for advice, one in every if not one.has_rows]
    theirs = [metric for metric in without if not can_resample(metric)]
    for count, why in (
        (len(without) - len(theirs), "predictions of their runs are not saved"),
        (len(theirs), f"reports can't compute {', '.join(sorted(set(theirs)))} for other rows"),
    ):
        if count:
            sentences.append(
                f"{count} of {len(every)} intervals hold for other seeds alone, not for other dev "
                f"rows, as {why}: for other rows gains vary more."
            )
    return sentences


def _widths(with_rows: list[tuple[Advice, Candidate]]) -> list[str]:
    """Return how much wider rows make an interval, of the median gain and both extremes.

    Of those alone that are as wide as seeds and rows make them: of two seeds an interval may reach
    the ends of the score's range, and of seeds that are all equal none is there.
    """
    holds = "Intervals hold for other seeds and for other dev rows."
    whole = [pair for pair in with_rows if 0 < pair[1].seeds_half <= _half(pair[1]) + _ROUNDING]
    if not whole:
        return [holds]
    ordered = sorted(whole, key=lambda pair: _wider(pair[1]))
    advice, median = ordered[len(ordered) // 2]
    least, most = _wider(ordered[0][1]), _wider(ordered[-1][1])
    return [
        holds,
        f"The rows make them {least:.2f} to {most:.2f} times as wide, most for "
        f"{ordered[-1][0].target}; the median of {len(ordered)} is {_wider(median):.2f} times: "
        f"{advice.name(median)} for {advice.target}, ±{points(_half(median))} points in place of "
        f"±{points(median.seeds_half)} for other seeds alone.",
    ]


def _wider(one: Candidate) -> float:
    return _half(one) / one.seeds_half


def _half(one: Candidate) -> float:
    return (one.high - one.low) / 2


def _selection(analysis: Analysis, protocols: Protocols) -> list[str]:
    numbers = done(analysis.table).protocol.unique()
    values = {protocols.flat[number].get("selection") for number in numbers}
    return [f"{text}." for name, text in _SELECTION.items() if name in values]
