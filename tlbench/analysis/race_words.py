"""Says in words where a race stands: what to take, how sure that is, and what was left behind."""

from tlbench.analysis.advice import Advice
from tlbench.analysis.judged import Candidate
from tlbench.analysis.names import Labels
from tlbench.analysis.race import Decision
from tlbench.console import points


def heading(decision: Decision, labels: Labels) -> str:
    """Return the answer in a line: ``rte (800 rows): good enough: MTL with mnli [proved ...]``."""
    advice = Advice(decision.verdict, labels)
    target, rows = decision.target
    name = "no candidate has a score" if decision.choice is None else advice.name(decision.choice)
    word = "best guess" if decision.end == "open" else decision.end
    # What is proved is said of the best guess; one that is good enough may be another.
    is_best = decision.choice is decision.verdict.best
    return f"{target} ({rows:,} rows): {word}: {name}" + (f" [{advice.proved}]" if is_best else "")


def numbers(decision: Decision, labels: Labels) -> list[str]:
    """Return what the verdict says in numbers."""
    return Advice(decision.verdict, labels, leaks=decision.leaks).sentences


def sentences(decision: Decision, labels: Labels) -> list[str]:
    """Return what the answer holds for, the verdict's own numbers, and what was not pursued."""
    advice = Advice(decision.verdict, labels)
    found = [_claim(decision), *numbers(decision, labels), _apart(decision, advice)]
    return [one for one in [*found, _not_pursued(decision, advice)] if one]


def _claim(decision: Decision) -> str:
    level = f"{100 * decision.verdict.level:.0f}% confidence, at all looks together"
    if decision.end == "decided":
        return f"All {len(decision.verdict.candidates) - 1} others are excluded, with {level}."
    if decision.end == "good enough":
        return (
            f"No candidate is better than this one by more than {points(decision.matters)} points, "
            f"with {level}; of those that good it is the cheapest."
        )
    return ""


def _apart(decision: Decision, advice: Advice) -> str:
    found, best = decision.apart, decision.verdict.best
    if found is None or best is None:
        return ""
    rival, rows = advice.name(found.rival), decision.verdict.rows
    said = (
        f"{advice.name(best)} and {rival} differ by {points(abs(found.difference))} points so far: "
    )
    if found.seeds is not None:
        return f"{said}to be sure of that takes about {found.seeds:,} seeds of each."
    enough = f", and with ten seeds each about {found.rows:,} rows" if found.rows else ""
    return f"{said}no number of seeds makes that certain on {rows:,} dev rows{enough}."


def _not_pursued(decision: Decision, advice: Advice) -> str:
    if not decision.not_pursued:
        return ""
    named = [f"{advice.name(one)} ({_seeds(one)})" for one in decision.not_pursued]
    return f"Not pursued, though each may still be the best: {', '.join(named)}."


def _seeds(one: Candidate) -> str:
    return f"{one.seeds} seed{'' if one.seeds == 1 else 's'}"
