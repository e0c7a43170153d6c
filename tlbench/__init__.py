"""tlbench: which transfer-learning strategy for which target task, and how sure one can be."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tlbench.export.model import TextClassifier

__version__ = "0.1.0"


def load_model(folder: "str | Path", device: str | None = None) -> "TextClassifier":
    """Return the model of a folder that ``tlbench-export`` has written, which predicts texts.

    Args:
        folder: the folder.
        device: as torch calls it; None for a GPU where there is one.

    Raises:
        tlbench.errors.UserError: if it is no such folder.
    """
    # By its name, as whatever imports tlbench would import torch.
    model: TextClassifier = import_module("tlbench.export.model").load_model(folder, device)
    return model
