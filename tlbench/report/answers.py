"""What the page answers for every target: what is proved first, with a figure of the candidates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tlbench.analysis.advice import Advice
from tlbench.console import points
from tlbench.records.definitions import BASELINE
from tlbench.report.details import Details
from tlbench.report.format import Table
from tlbench.report.gain_lines import MOST as MOST_LINES
from tlbench.report.gain_lines import are_lines, gain_lines
from tlbench.report.picture import Picture, picture
from tlbench.report.strip import MOST, strip
from tlbench.report.style import file_name
from tlbench.report.tables import advice_table

_CERTAINTY = {"better": 0, "not worse": 1, "nothing": 3, "untested": 4}
_OF_SINGLE, _WITHOUT_SCORE = 2, 5
_OF_SIZES = ("target_rows", "best_guess", "proved", "score", "gain", "low high", "may_be_best")


@dataclass(frozen=True)
class Answer:
    """What the page says of one target.

    Attributes:
        advices: one for each size, the largest first.
        figure: the strip of candidates, or lines where there are many sizes; None with one score.
        details: how it was learned and where it errs, at the largest size.
    """

    advices: Sequence[Advice]
    figure: Picture | None = None
    details: Details = field(default_factory=Details)

    @property
    def first(self) -> Advice:
        """The largest size's."""
        return self.advices[0]

    @property
    def title(self) -> str:
        """The target and its rows, or how many sizes it has."""
        if len(self.advices) > 1:
            return f"{self.first.target}, {len(self.advices)} sizes"
        return f"{self.first.target}, {self.first.target_rows:,} rows"

    @property
    def warnings(self) -> list[str]:
        """That nothing has learned the task, first of all that is said."""
        return [
            self._of_size(advice, advice.sentences[0])
            for advice in self.advices
            if advice.verdict.best is not None and not advice.verdict.beats_chance
        ]

    @property
    def sentences(self) -> list[str]:
        """The numbers in words; of several sizes the table has them."""
        verdict = self.first.verdict
        if len(self.advices) > 1:
            return []
        if verdict.best is None:
            return ["No run of it has a score; why is below."]
        said = self.first.sentences[0 if verdict.beats_chance else 1 :]
        return [*said, f"Majority class: {points(verdict.majority)}."]

    @property
    def without_score(self) -> list[str]:
        """The candidates of which no run has a score."""
        return [
            self._of_size(advice, advice.name(one))
            for advice in self.advices
            for one in advice.verdict.candidates
            if not one.seeds
        ]

    @property
    def sizes(self) -> Table | None:
        """A row for every size, where there are several."""
        if len(self.advices) == 1:
            return None
        table = advice_table(self.advices)
        columns = [column for column in table.columns if column.key in _OF_SIZES]
        verdicts = [advice.verdict for advice in self.advices]
        counts = [f"{len(one.may_be_best)} of {len(one.candidates)}" for one in verdicts]
        frame = table.frame.assign(may_be_best=counts)
        return Table(table.name, f"{self.first.target} by size", "", columns, frame)

    def _of_size(self, advice: Advice, text: str) -> str:
        return f"{advice.target_rows:,} rows: {text}" if len(self.advices) > 1 else text


def by_certainty(advices: Sequence[Advice]) -> list[list[Advice]]:
    """Return the advice target by target: what is proved first, within that the largest first."""
    of_target: dict[str, list[Advice]] = {}
    for advice in advices:
        of_target.setdefault(advice.target, []).append(advice)
    largest_first = [
        sorted(group, key=lambda one: -one.target_rows) for group in of_target.values()
    ]
    return sorted(largest_first, key=lambda group: (min(map(_rank, group)), -group[0].target_rows))


def _rank(advice: Advice) -> int:
    verdict = advice.verdict
    if verdict.best is None:
        return _WITHOUT_SCORE
    if verdict.best.strategy != BASELINE:
        return _CERTAINTY[verdict.best.proved]
    return _OF_SINGLE if verdict.is_tested else _CERTAINTY["untested"]


def answer(advices: Sequence[Advice], details: Details, folder: Path) -> Answer:
    """Return the answer for a target, and write its figure."""
    return Answer(advices, _figure(advices, folder), details)


def _figure(advices: Sequence[Advice], folder: Path) -> Picture | None:
    target = advices[0].target
    scored = [one for advice in advices for one in advice.verdict.candidates if one.seeds]
    if len(scored) < 2:
        return None
    if are_lines(advices):
        caption = (
            f"{target} by size: means, with the interval of each gain where there is one. At most "
            f"{MOST_LINES} lines, those of the highest mean."
        )
        return picture(f"gains_{file_name(target)}", caption, gain_lines(advices), folder)
    left = len(advices[0].verdict.candidates) - MOST
    more = f" {left} more are in the table of all candidates." if left > 0 else ""
    caption = f"{target}: every candidate, the highest expected score first.{more}"
    return picture(f"strip_{file_name(target)}", caption, strip(advices[0]), folder)
