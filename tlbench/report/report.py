"""Writes a report: the page, every figure as SVG and PNG, every table as CSV and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlbench.analysis.collect import Records
from tlbench.analysis.saved import Predictions, StoredPredictions
from tlbench.analysis.study import Analysis
from tlbench.report.answers import answer, by_certainty
from tlbench.report.coverage import coverage
from tlbench.report.details import classes_table, details
from tlbench.report.figures import make_figures
from tlbench.report.format import Table, without_formulas
from tlbench.report.page import render
from tlbench.report.part import Part
from tlbench.report.picture import picture
from tlbench.report.style import file_names
from tlbench.report.tables import tables

PAGE = "index.html"


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
    study.published.to_parquet(folder / "records.parquet", index=False)
    without_formulas(study.published).to_csv(folder / "records.csv", index=False)
    parts: list[Part] = []
    report = Report(folder, {}, {})
    predictions = StoredPredictions(study.table, study.packed)
    slugs = file_names([analysis.name for analysis in analyses])
    for analysis, slug in zip(analyses, slugs, strict=True):
        part = _part(study, analysis, slug, predictions, folder)
        for table in part.tables:
            table.write(folder / part.folder / "tables")
            report.tables[f"{part.folder}{table.name}"] = table
        for drawn in part.drawn:
            file = folder / part.folder / "figures" / f"{drawn.name}.png"
            report.figures[f"{part.folder}{drawn.name}"] = file
        parts.append(part)
    report.page.write_text(render(study, parts), "utf-8")
    return report


def _part(
    study: Records, analysis: Analysis, slug: str, predictions: Predictions, folder: Path
) -> Part:
    """Return what the page says of an analysis, and write its figures."""
    figures = folder / slug / "figures"
    answers = [
        answer(
            advices,
            details(advices[0], analysis.table, study.protocols, predictions, figures),
            figures,
        )
        for advices in by_certainty(analysis.advice)
    ]
    by_class = classes_table([one.details for one in answers])
    return Part(
        analysis=analysis,
        slug=slug,
        tables=[*tables(analysis), *([by_class] if by_class else [])],
        pictures=[picture(*one, figures) for one in make_figures(analysis)],
        answers=answers,
        coverage=coverage(analysis, study.protocols),
    )
