"""Exports what was chosen: the folder, and its card."""

import json
from pathlib import Path
from typing import Any

from tlbench.errors import UserError
from tlbench.export.card import card
from tlbench.export.chosen import Chosen
from tlbench.export.classifier import is_plain
from tlbench.export.folder import write_folder


def has_weights(chosen: Chosen) -> bool:
    """Whether the store has kept the weights that are to be exported."""
    return chosen.store.find_sound(chosen.key, [chosen.task.name]) is not None


def export(chosen: Chosen, out: Path, place: str = "") -> None:
    """Write the chosen weights as a model into a new folder.

    Args:
        chosen: of which the store has the weights.
        out: the folder.
        place: as the card calls it; empty for the folder's name.

    Raises:
        UserError: if the folder is there, can't be written, or what was chosen can't be exported.
    """
    store, name, record = chosen.store, chosen.task.name, chosen.record
    manifest = store.find_sound(chosen.key, [name])
    if manifest is None or manifest.get("diverged"):
        raise UserError(f"Export another record: the store has no weights of {name}.")
    entry = manifest["tasks"][name]
    chosen = chosen.as_scored(entry)
    about: dict[str, Any] = {
        "stage": chosen.key,
        "strategy": record.strategy,
        "supports": record.support_tasks,
        "seed": record.seed,
        "score": entry["score"],
        "encoder_identity": record.encoder_identity,
        "digests": record.digests,
        "versions": record.versions,
    }
    weights = store.weights(chosen.key, name)
    described = card(chosen, entry, place or out.name, is_plain(_model_type(weights), chosen.task))
    max_length = record.config["encoder"]["max_length"]
    write_folder(out, weights, chosen.task, max_length, about, described)


def _model_type(weights: Path) -> str:
    return str(json.loads((weights / "config.json").read_text("utf-8"))["model_type"])
