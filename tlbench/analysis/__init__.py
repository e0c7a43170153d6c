"""From result records to an answer: statistics, tables, figures, one page. Never imports torch.

In a notebook: ``(analysis,) = analyse_study(collect(["multirun/paper_grid"]))``, then
``tables(analysis)`` and ``make_figures(analysis)``.
"""

from tlbench.analysis.analysis import Analysis, analyse, analyse_study
from tlbench.analysis.report import make_figures, write_report
from tlbench.analysis.table import Study, collect
from tlbench.analysis.tables import tables

__all__ = [
    "Analysis",
    "Study",
    "analyse",
    "analyse_study",
    "collect",
    "make_figures",
    "tables",
    "write_report",
]
