"""What the rounds of a comparison came to, as a table."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.watch import Measurement

Round = dict[str, Measurement]  # by contender
OURS = "tlbench"
PAIRS = (("own kernels", "two forwards"), ("own kernels", "bare loop"))  # beside those with OURS


def table(tasks: Sequence[str], rounds: Sequence[Round]) -> str:
    """Medians over the rounds; ratios of instances a second, round by round."""
    lines = [
        f"\n{'+'.join(tasks)}",
        f"{'':14}{'instances/s':>12}{'tokens/s':>10}{'MiB RssAnon':>13}{'MiB device':>12}"
        f"{'waiting':>9}   tlbench / it",
    ]
    for name in rounds[0]:
        mine = [r[name] for r in rounds]
        lines.append(
            f"{name:14}{_median(m.instances / m.seconds for m in mine):12.1f}"
            f"{_median(m.tokens / m.seconds for m in mine):10.0f}"
            f"{_median(m.anonymous_bytes / 2**20 for m in mine):13.0f}"
            f"{_median(m.device_bytes / 2**20 for m in mine):12.0f}"
            f"{_median(100 * m.waiting / m.seconds for m in mine):8.1f}%"
            f"   {_ratio(rounds, OURS, name)}"
        )
    lines += [f"{a} / {b}: {r}" for a, b in PAIRS if (r := _ratio(rounds, a, b))]
    return "\n".join(lines)


def _median(values: Any) -> float:
    return float(median(values))


def _ratio(rounds: Sequence[Round], one: str, other: str) -> str:
    """``median (least to most)`` of one contender's speed over another's; nothing if absent."""
    if one == other or not {one, other} <= rounds[0].keys():
        return ""
    speeds = [{n: m.instances / m.seconds for n, m in of_round.items()} for of_round in rounds]
    ratios = [of_round[one] / of_round[other] for of_round in speeds]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
