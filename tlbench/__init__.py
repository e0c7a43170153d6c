"""tlbench: which transfer-learning strategy for which target task, and how sure one can be."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tlbench.export.predictor import Predictor

__version__ = "0.1.0"


def load_model(source: "str | Path", device: str | None = None, **options: Any) -> "Predictor":
    """Return what predicts texts as a record, or a folder of ``tlbench-export``, says.

    Args:
        source: a ``result.json``, the folder that it is in, or an exported folder.
        device: as torch calls it; None for a GPU where there is one.
        options: ``task``, ``ensemble``, ``precision`` and ``trust`` of
            ``tlbench.export.load.load_model``.

    Raises:
        tlbench.errors.UserError: if there is no such record or folder, or it has not what is asked
            for.
    """
    # By its name, as whatever imports tlbench would import torch.
    model: Predictor = import_module("tlbench.export.load").load_model(source, device, **options)
    return model
