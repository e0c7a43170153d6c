"""The results of a comparison as a table."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.watch import Measurement

Round = dict[str, Measurement]  # by contender
OURS = "tlbench"
PAIRS = (("own kernels", "two forwards"), ("own kernels", "bare loop"))  # beside those with OURS


def table(tasks: Sequence[str], rounds: Sequence[Round]) -> str:
    """Return a table of medians over the rounds, and of ratios of instances a second."""
    lines = [
        f"\n{'+'.join(tasks)}",
        f"{'':14}{'precision':>10}{'instances/s':>13}{'tokens/s':>10}"
        f"{'MiB RssAnon':>13}{'MiB device':>12}{'waiting':>9}   tlbench / it",
    ]
    for name in rounds[0]:
        measured = [of_round[name] for of_round in rounds]
        lines.append(
            f"{name:14}{measured[0].precision:>10}"
            f"{_median(m.instances / m.seconds for m in measured):13.1f}"
            f"{_median(m.tokens / m.seconds for m in measured):10.0f}"
            f"{_median(m.anonymous_bytes / 2**20 for m in measured):13.0f}"
            f"{_median(m.device_bytes / 2**20 for m in measured):12.0f}"
            f"{_median(100 * m.waiting / m.seconds for m in measured):8.1f}%"
            f"   {_ratio(rounds, OURS, name)}"
        )
    lines += [f"{a} / {b}: {ratio}" for a, b in PAIRS if (ratio := _ratio(rounds, a, b))]
    return "\n".join(lines)


def _median(values: Any) -> float:
    return float(median(values))


def _ratio(rounds: Sequence[Round], contender: str, baseline: str) -> str:
    """Return ``median (least to most)`` of a contender's speed over another's; "" if absent."""
    if contender == baseline or not {contender, baseline} <= rounds[0].keys():
        return ""
    # Round by round, since a machine's speed drifts, and then take the median: the ratio of the
    # medians would compare different moments.
    speeds = [{n: m.instances / m.seconds for n, m in of_round.items()} for of_round in rounds]
    ratios = [of_round[contender] / of_round[baseline] for of_round in speeds]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
