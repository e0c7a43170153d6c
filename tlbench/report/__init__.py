"""From numbers to a page, tables and figures."""

from tlbench.report.figures import make_figures
from tlbench.report.report import write_report
from tlbench.report.tables import tables

__all__ = ["make_figures", "tables", "write_report"]
