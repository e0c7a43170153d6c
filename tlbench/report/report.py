"""Writes a report: the page, every figure as SVG and PNG, every table as CSV and LaTeX."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlbench.analysis.collect import Records
from tlbench.analysis.study import Analysis
from tlbench.report.figures import make_figures
from tlbench.report.format import Table, without_formulas
from tlbench.report.page import Part, Picture, render
from tlbench.report.style import file_name, write
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
    study.table.to_parquet(folder / "records.parquet", index=False)
    without_formulas(study.table).to_csv(folder / "records.csv", index=False)
    parts: list[Part] = []
    report = Report(folder, {}, {})
    for analysis in analyses:
        place = folder / file_name(analysis.name)
        shown = tables(analysis)
        for table in shown:
            table.write(place / "tables")
            report.tables[str((place / table.name).relative_to(folder))] = table
        pictures = list(_pictures(analysis, place / "figures"))
        for picture in pictures:
            file = place / "figures" / f"{picture.name}.png"
            report.figures[str((place / picture.name).relative_to(folder))] = file
        parts.append(Part(analysis, file_name(analysis.name), shown, pictures))
    report.page.write_text(render(study, parts), "utf-8")
    return report


def _pictures(analysis: Analysis, folder: Path) -> Iterator[Picture]:
    for name, caption, figure in make_figures(analysis):
        yield Picture(name, caption, write(figure, folder, name))
