"""Names of a study: what strategies and methods are called, and which two are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tlbench.errors import UserError
from tlbench.records.definitions import BASELINE, COMPARED, NONE


@dataclass(frozen=True)
class Sides:
    """The two strategies that are compared pair by pair.

    Attributes:
        first, second: their names in records. The size heuristic says ``first`` where the target
            has fewer training rows than the support, else ``second``.
        first_label, second_label: how people read them.
    """

    first: str
    second: str
    first_label: str
    second_label: str

    @property
    def names(self) -> tuple[str, str]:
        """Both names, the first's first."""
        return self.first, self.second


VERSUS = " vs "  # between the methods of two sides, where they have none in common
THE_PAPERS = Sides(*COMPARED, *COMPARED.values())  # Weller, Seppi and Gardner (2022)


@dataclass(frozen=True)
class Labels:
    """How people read a study's strategies and methods, by their names in records.

    Attributes:
        methods: those that matter to a strategy of the study; a merging is one too.
    """

    strategies: Mapping[str, str]
    methods: Mapping[str, str]

    @property
    def has_methods(self) -> bool:
        """Whether the study compares methods, so that they are shown."""
        return len(self.methods) > 1

    def candidate(self, strategy: str, method: str) -> str:
        """Return a strategy, and where several are compared its method: ``MTL (mean)``."""
        label = self.strategies.get(strategy, strategy)
        if not self.has_methods or method == NONE:
            return label
        return f"{label} ({self.method(method)})"

    def method(self, name: str) -> str:
        """Return how people read a method, or those of two sides: ``average vs sum``."""
        return VERSUS.join(self.methods.get(one, one) for one in name.split(VERSUS))


def labels_of(table: pd.DataFrame) -> Labels:
    """Return the labels of a table's strategies and methods, no two of a kind the same."""
    # A job that failed before it had a config knows no label.
    ordered = table.sort_values("outcome", key=lambda outcome: outcome != "failed", kind="stable")
    with_method = ordered[ordered.method != NONE]
    return Labels(
        strategies=_distinct(dict(zip(ordered.strategy, ordered.label, strict=True))),
        methods=_distinct(dict(zip(with_method.method, with_method.method_label, strict=True))),
    )


def _distinct(labels: dict[str, str]) -> dict[str, str]:
    """Return the labels, those that several names share with the name behind."""
    shared = [label for label in labels.values() if list(labels.values()).count(label) > 1]
    return {
        name: f"{label} ({name})" if label in shared and label != name else label
        for name, label in labels.items()
    }


def sides_of(labels: Labels, compare: Sequence[str] = THE_PAPERS.names) -> Sides:
    """Return the two strategies that a study compares.

    Args:
        compare: their names. The paper's own two may be absent: then there is no comparison.

    Raises:
        UserError: if they are not two different strategies of the records.
    """
    names = sorted(set(labels.strategies) - {BASELINE})
    is_the_default = tuple(compare) == THE_PAPERS.names
    if not is_the_default and (len(set(compare)) != 2 or not {*compare} <= {*names}):
        choices = ", ".join(names) or "none"
        raise UserError(
            f"Change --compare: '{','.join(compare)}' is not two of the strategies that the "
            f"records have beside {BASELINE}: {choices}."
        )
    shown = COMPARED | dict(labels.strategies)
    first, second = compare
    return Sides(first, second, shown[first], shown[second])
