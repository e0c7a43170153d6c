"""The page: one HTML file that needs nothing else, for a phone, a desk and paper."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tlbench.analysis.collect import Records, done
from tlbench.analysis.notices import UNSCORED
from tlbench.analysis.study import Analysis
from tlbench.console import points
from tlbench.report.format import NAMES, Table

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
        """What was found, in one sentence."""
        table = done(self.analysis.table)
        strategies = ", ".join(NAMES.get(s, s) for s in sorted(table.strategy.unique()))
        return (
            f"{len(table):,} scored experiments: {table.target.nunique()} targets, strategies "
            f"{strategies}, {table.seed.nunique()} seeds, encoder "
            f"{', '.join(sorted(table.encoder.unique()))}."
        )

    @property
    def without_score(self) -> dict[str, pd.DataFrame]:
        """By heading the experiments that have no score, with why."""
        table = self.analysis.table
        found = {title: table[table.outcome == name] for name, title in UNSCORED.items()}
        return {title: rows for title, rows in found.items() if len(rows)}

    @property
    def summary(self) -> list[str]:
        """The heuristic's record in words; nothing where MTL and STILTs can't be compared."""
        a = self.analysis
        if a.comparisons.empty:
            return []
        rule, constant = a.rules.iloc[0], a.rules.iloc[-1]
        n = int(rule.applicable_pairs)
        student = a.tests.set_index("test").loc["student"]
        found = [
            f"MTL and STILTs differ in {student.p} of {student.pairs} tested pairs by the paper's "
            f"rule, in {student.holm} after Holm's correction."
        ]
        if n:
            found.append(
                f"The size heuristic is right in {rule.applicable_right} of these {n} "
                f"({100 * rule.applicable_accuracy:.0f}%, 90% interval "
                f"{100 * rule.applicable_low:.0f} to {100 * rule.applicable_high:.0f}%); always "
                f"choosing the more frequent winner, in {constant.applicable_right}. Against the "
                f"better strategy of each pair, over all pairs, the heuristic loses "
                f"{100 * rule.regret:.2f} points on average, the more frequent winner "
                f"{100 * constant.regret:.2f}."
            )
        return found + self._crossover()

    def _crossover(self) -> list[str]:
        line = self.analysis.regression
        if line is None:
            return []
        if line.low is None or line.high is None:
            return ["Where MTL stops being better can't be located from these pairs."]
        return [
            f"Neither is better where the target has {line.crossover:.3g} times the support's "
            f"rows (90% interval {line.low:.3g} to {line.high:.3g}; equal sizes are 1)."
        ]


def render(study: Records, parts: Sequence[Part]) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("tlbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = inline
    template = environment.get_template("page.html.j2")
    names = ", ".join(sorted(study.table.study.astype(str).unique()))
    return template.render(
        study=study, parts=parts, names=names, most=MOST_ROWS, long=LONG, points=points
    )


def inline(picture: Picture, prefix: str) -> Markup:
    """A figure's SVG inside the page: its own ids, a label, and no size but the column's."""
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
