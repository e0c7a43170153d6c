"""Writes a report: the page, every figure as SVG and PNG, every table as CSV and LaTeX."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from tlbench.analysis.cells import at_full_size
from tlbench.analysis.collect import Records
from tlbench.analysis.study import Analysis
from tlbench.report import figures
from tlbench.report.format import Table
from tlbench.report.page import Part, Picture, render
from tlbench.report.tables import tables

PAGE = "index.html"
_LONGEST = 150  # characters of a part's folder
_MOST_PAIRS = 12  # with lines of their own


@dataclass(frozen=True)
class Report:
    """What was written, for whoever shows it elsewhere: by part, its tables and figures."""

    folder: Path
    tables: dict[str, Table]
    figures: dict[str, Path]

    @property
    def page(self) -> Path:
        return self.folder / PAGE


def write_report(study: Records, analyses: Sequence[Analysis], folder: Path) -> Report:
    """Write the report of a study's analyses into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    study.table.to_parquet(folder / "records.parquet", index=False)
    study.table.to_csv(folder / "records.csv", index=False)
    parts: list[Part] = []
    report = Report(folder, {}, {})
    for analysis in analyses:
        place = folder / part_folder(analysis.name)
        shown = tables(analysis)
        for table in shown:
            table.write(place / "tables")
            report.tables[str((place / table.name).relative_to(folder))] = table
        pictures = list(_pictures(analysis, place / "figures"))
        for picture in pictures:
            file = place / "figures" / f"{picture.name}.png"
            report.figures[str((place / picture.name).relative_to(folder))] = file
        parts.append(Part(analysis, part_folder(analysis.name), shown, pictures))
    report.page.write_text(render(study, parts), "utf-8")
    return report


def part_folder(name: str) -> str:
    """A part's name as a folder's, no longer than one may be; that of the only part is empty."""
    word = re.sub(r"[^A-Za-z0-9.=_-]+", "_", name)
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return word if len(word) <= _LONGEST else f"{word[:_LONGEST]}-{digest}"


def _pictures(analysis: Analysis, folder: Path) -> Iterator[Picture]:
    for name, caption, figure in make_figures(analysis):
        yield Picture(name, caption, figures.write(figure, folder, name))


def make_figures(analysis: Analysis) -> Iterator[tuple[str, str, Figure]]:
    """Every figure that the numbers allow: name, caption, figure."""
    full = at_full_size(analysis.comparisons)
    if not full.empty or analysis.missing:
        yield (
            "heat_map",
            "MTL minus STILTs in points. Blue: MTL is better; orange: STILTs is better; grey: no "
            "significant difference by the paper's rule. A frame with a cross marks a significant "
            "difference that the size heuristic gets wrong.",
            figures.heat_map(full, analysis.tasks, "MTL better", "STILTs better", analysis.missing),
        )
    best = at_full_size(analysis.best.drop(columns="strategy"))
    if not best.empty:
        yield (
            "best_of_pair",
            "The better of MTL and STILTs minus single, in points: does the support help at all?",
            figures.heat_map(
                best, analysis.tasks, "better than single", "worse than single", analysis.missing
            ),
        )
    if analysis.regression:
        yield (
            "regression",
            "Each mark is a pair. Left of 1 the target is the smaller task, where the size "
            "heuristic expects MTL (above 0). The band is the line's 90% interval.",
            figures.t_regression(analysis.comparisons, analysis.regression),
        )
    pairs = analysis.comparisons.groupby(["target", "support"]).size()
    for target, support in list(pairs[pairs > 1].index)[:_MOST_PAIRS]:
        yield (
            f"sizes_{part_folder(target)}_{part_folder(support)}",
            f"{target} with {support}: mean scores with 90% intervals over seeds. The dotted line "
            f"is where both tasks have as many rows.",
            figures.size_lines(analysis.comparisons, target, support),
        )
