"""tlbench: which transfer-learning strategy for which target task, and how sure one can be."""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from tlbench.export.predictor import Predictor
    from tlbench.records.record import ResultRecord

__version__ = "0.1.0"


def run(overrides: Sequence[str] = (), config_dir: "str | Path | None" = None) -> "ResultRecord":
    """Run one experiment in this process, as the command ``tlbench`` would; return its record.

    What the store has is not trained again.

    Args:
        overrides: as on the command line: ``["target_task=rte", "strategy=single", "seed=1"]``.
        config_dir: a folder of configs of your own, as ``--config-dir``.

    Returns:
        The record: ``score``, ``metrics``, ``status`` (``done`` or ``diverged``) and all else that
        its ``result.json`` has.

    Raises:
        tlbench.errors.UserError: if something that was asked for has to be changed; it says what.
        Exception: whatever else ends the training.
    """
    # By its name, as whatever imports tlbench would import torch.
    record: ResultRecord = import_module("tlbench.jobs.api").run(overrides, config_dir)
    return record


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
