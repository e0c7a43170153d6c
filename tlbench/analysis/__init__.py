"""From result records to numbers: comparisons, verdicts, costs. Never imports torch.

In a notebook: ``(analysis,) = analyse_study(collect(["multirun/paper_grid"]))``, then ``tables``
and ``make_figures`` of ``tlbench.report``.
"""

from tlbench.analysis.collect import Records, collect
from tlbench.analysis.race import Decision, race_decision
from tlbench.analysis.study import Analysis, analyse, analyse_study
from tlbench.analysis.verdicts import Verdict, verdict

__all__ = [
    "Analysis",
    "Decision",
    "Records",
    "Verdict",
    "analyse",
    "analyse_study",
    "collect",
    "race_decision",
    "verdict",
]
