"""What the page says of one analysis: the part of a study that belongs together."""

from collections.abc import Sequence
from dataclasses import dataclass

from tlbench.analysis.collect import done
from tlbench.analysis.notices import UNSCORED, experiment_in_words
from tlbench.analysis.study import Analysis
from tlbench.records.definitions import NONE
from tlbench.report.answers import Answer
from tlbench.report.format import Table
from tlbench.report.picture import Picture

_IN_THE_ANSWER = ("advice", "classes")


@dataclass(frozen=True)
class Part:
    """What the page says of one analysis; its files are in the folder ``slug``.

    Attributes:
        answers: for every target, what is proved first.
        coverage: what the intervals hold for, a sentence each.
    """

    analysis: Analysis
    slug: str
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    answers: Sequence[Answer]
    coverage: Sequence[str]

    @property
    def folder(self) -> str:
        return f"{self.slug}/" if self.slug else ""

    @property
    def drawn(self) -> list[Picture]:
        """All pictures: of the answer and of the figures below."""
        of_answers = [
            drawn for one in self.answers for drawn in (one.figure, *one.details.pictures) if drawn
        ]
        return [*of_answers, *self.pictures]

    @property
    def is_compared(self) -> bool:
        """Whether any target has two candidates to choose from."""
        return any(
            sum(one.seeds > 0 for one in advice.verdict.candidates) > 1
            for advice in self.analysis.advice
        )

    @property
    def absent(self) -> list[str]:
        """What no target has details of and why, each reason once."""
        shown = [one.details for one in self.answers if one.details.pictures or one.details.classes]
        reasons = [text for one in self.answers for text in one.details.absent]
        return [] if shown else list(dict.fromkeys(reasons))

    @property
    def shown(self) -> list[Table]:
        return [table for table in self.tables if table.name not in _IN_THE_ANSWER]

    @property
    def facts(self) -> str:
        """What was run, in one sentence."""
        table, labels = done(self.analysis.table), self.analysis.labels
        strategies = [labels.strategies[name] for name in sorted(table.strategy.unique())]
        methods = [label for name, label in sorted(labels.methods.items())]
        return (
            f"{counted(len(table), 'scored experiment')}: "
            f"{counted(table.target.nunique(), 'target')}, strategies {', '.join(strategies)}, "
            + (f"methods {', '.join(methods)}, " if labels.has_methods else "")
            + f"{counted(table.seed.nunique(), 'seed')}, encoder "
            f"{', '.join(sorted(table.encoder.unique()))}."
        )

    @property
    def without_score(self) -> dict[str, list[str]]:
        """By heading the experiments that have no score, each with why."""
        table = self.analysis.table
        rows = {title: table[table.outcome == name] for name, title in UNSCORED.items()}
        return {
            title: [
                f"{experiment_in_words(row, self.analysis.labels)}: {row.reason}"
                for _, row in unscored.iterrows()
            ]
            for title, unscored in rows.items()
            if len(unscored)
        }

    @property
    def missing(self) -> list[str]:
        """The pairs of the grid that can't be compared, in words."""
        labels = self.analysis.labels
        return [
            f"{target} with {support}"
            + (f" ({labels.method(method)})" if labels.has_methods and method != NONE else "")
            for target, support, method in self.analysis.missing
        ]

    @property
    def summary(self) -> list[str]:
        """The heuristic's record in words; nothing where the two sides can't be compared."""
        analysis = self.analysis
        if analysis.comparisons.empty:
            return []
        rule, constant = analysis.rules.iloc[0], analysis.rules.iloc[-1]
        n, sides = int(rule.applicable_pairs), analysis.sides
        tests = analysis.tests.set_index("test")
        student, welch = tests.loc["student"], tests.loc["welch"]
        sentences = [
            f"{sides.first_label} and {sides.second_label} differ in {student.p} of "
            f"{student.pairs} tested pairs by the paper's rule (Student's p < 0.1, uncorrected), "
            f"in {welch.holm} by Welch's test after Holm's correction."
        ]
        if n:
            sentences.append(
                f"The size heuristic is right in {rule.applicable_right} of these {n} "
                f"({100 * rule.applicable_accuracy:.0f}%, 90% interval "
                f"{100 * rule.applicable_low:.0f} to {100 * rule.applicable_high:.0f}%); always "
                f"choosing the more frequent winner, in {constant.applicable_right}. Against the "
                f"better strategy of each pair, over all pairs, the heuristic loses "
                f"{100 * rule.regret:.2f} points on average, the more frequent winner "
                f"{100 * constant.regret:.2f}."
            )
        return sentences + self._crossover()

    def _crossover(self) -> list[str]:
        line = self.analysis.regression
        if line is None:
            return []
        if line.low is None or line.high is None:
            first = self.analysis.sides.first_label
            return [f"Where {first} stops being better can't be located from these pairs."]
        return [
            f"Neither is better where the target has {line.crossover:.3g} times the support's "
            f"rows (90% interval {line.low:.3g} to {line.high:.3g}; equal sizes are 1)."
        ]


def counted(count: int, name: str) -> str:
    """Return a count in words: ``1 target``, ``2 targets``."""
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"
