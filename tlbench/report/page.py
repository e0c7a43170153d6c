"""Renders the page: one HTML file that needs nothing else, for a phone, a desk and paper."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tlbench.analysis.collect import Records, done
from tlbench.analysis.notices import UNSCORED, experiment_in_words
from tlbench.analysis.study import Analysis
from tlbench.console import points
from tlbench.report.format import Table

MOST_ROWS = 100  # of a table; its CSV has them all
LONG = 20  # rows: a longer table is folded
_IN_THE_TOP = ("advice",)


@dataclass(frozen=True)
class Picture:
    """A figure of the page: the name of its files, what it shows, and the SVG itself."""

    name: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Part:
    """What the page says of one analysis; its files are in the folder ``slug``."""

    analysis: Analysis
    slug: str
    tables: Sequence[Table]
    pictures: Sequence[Picture]

    @property
    def folder(self) -> str:
        return f"{self.slug}/" if self.slug else ""

    @property
    def shown(self) -> list[Table]:
        return [table for table in self.tables if table.name not in _IN_THE_TOP]

    @property
    def facts(self) -> str:
        """What was run, in one sentence."""
        table, labels = done(self.analysis.table), self.analysis.labels
        strategies = [labels.strategies[name] for name in sorted(table.strategy.unique())]
        methods = [label for name, label in sorted(labels.methods.items())]
        return (
            f"{len(table):,} scored experiments: {table.target.nunique()} targets, strategies "
            f"{', '.join(strategies)}, "
            + (f"methods {', '.join(methods)}, " if labels.has_methods else "")
            + f"{table.seed.nunique()} seeds, encoder "
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
        shown = labels.methods if labels.has_methods else {}
        return [
            f"{target} with {support}" + (f" ({shown[method]})" if method in shown else "")
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


def render(study: Records, parts: Sequence[Part]) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=PackageLoader("tlbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # An undefined name of the template is an error, not an empty place on the page.
    environment.filters["inline"] = inline
    template = environment.get_template("page.html.j2")
    names = ", ".join(sorted(study.table.study.astype(str).unique()))
    return template.render(
        study=study, parts=parts, names=names, most=MOST_ROWS, long=LONG, points=points
    )


def inline(picture: Picture, prefix: str) -> Markup:
    """Return a figure's SVG for the page: its own ids, a label, and no size but the column's."""
    start = picture.svg.index("<svg")
    text = picture.svg[start:]
    mark = re.sub(r"\W", "_", f"{prefix}{picture.name}")
    text = re.sub(r'\bid="', f'id="{mark}-', text)
    text = re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{mark}-", text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    label = Markup.escape(picture.caption)
    # The SVG is matplotlib's, which escapes the task names in it.
    named = text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Markup(named)  # noqa: S704  # nosec B704
