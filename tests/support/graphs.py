"""Strategies that a user might write: any acyclic graph of stages, drawn or by hand."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tlbench.plan.experiment import Experiment
from tlbench.plan.stage import Need, Stage

TASKS = ("cola", "mrpc", "rte")  # those that debug=fast gives to strategies with all supports


@dataclass(frozen=True)
class Node:
    """A stage to come: its tasks, the earlier node that it starts from, and of which task."""

    tasks: tuple[str, ...]
    start: int | None = None
    weights_of: str | None = None


@st.composite
def graphs(draw: Any, most: int = 4) -> tuple[Node, ...]:
    """Nodes of which each starts from an earlier one or none, and the last trains ``rte``."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, most))):
        tasks = draw(st.sets(st.sampled_from(TASKS), min_size=1, max_size=2))
        start = draw(st.sampled_from([None, *range(number)])) if number else None
        before = nodes[start].tasks if start is not None else ()
        weights_of = draw(st.sampled_from(before)) if before else None
        nodes.append(Node(tuple(sorted(tasks)), start, weights_of))
    last = nodes[-1]
    nodes[-1] = Node(tuple(sorted({*last.tasks[:1], "rte"})), last.start, last.weights_of)
    return tuple(nodes)


GRAPH: list[tuple[Node, ...]] = [()]  # what the strategy below makes; set by a test


def strategy(experiment: Experiment) -> Stage:
    """The graph that a test has put into ``GRAPH``."""
    draws = {draw.name: draw for draw in (experiment.target, *experiment.supports)}
    stages: list[Stage] = []
    for node in GRAPH[0]:
        start = Need(stages[node.start], node.weights_of) if node.start is not None else None
        stages.append(experiment.stage([draws[name] for name in node.tasks], start))
    return stages[-1]


def chain(experiment: Experiment) -> Stage:
    """The target, its support, and the target again."""
    first = experiment.stage([experiment.target])
    between = experiment.stage(list(experiment.supports), start=first)
    return experiment.stage([experiment.target], start=between)


def from_two(experiment: Experiment) -> Stage:
    """Starts from a stage of two tasks, neither of which it trains, and names none."""
    return experiment.stage([experiment.target], start=experiment.stage(list(experiment.supports)))


def without_target(experiment: Experiment) -> Stage:
    """Never trains the target."""
    return experiment.stage(list(experiment.supports))


def one_task_twice(experiment: Experiment) -> Stage:
    """Trains a task together with itself."""
    return experiment.stage([experiment.target, experiment.target])


def of_what(experiment: Experiment) -> Stage:
    """Names a task where a draw of it belongs."""
    return experiment.stage([experiment.target.name])  # type: ignore[list-item]


def from_what(experiment: Experiment) -> Stage:
    """Names a stage where one belongs."""
    return experiment.stage([experiment.target], start="rte")  # type: ignore[arg-type]
