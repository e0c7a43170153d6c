"""What a stage makes of its train rows by another stage's predictions, which its folder holds."""

from tlbench.plan.reweighted_stage import ReweightedStage
from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.training.context import StageContext
from tlbench.training.datamodule import RowChange
from tlbench.training.pseudo_labels import PseudoLabels
from tlbench.training.row_weights import error_weights


def row_change(run: StageContext) -> RowChange | None:
    """Return what changes the train rows of a stage; None where they are trained as drawn.

    Raises:
        ValueError: if the file of it is damaged.
    """
    if isinstance(run.stage, ReweightedStage):
        return error_weights(run)
    if isinstance(run.stage, SelfTrainedStage):
        return PseudoLabels.read(run.folder)
    return None
