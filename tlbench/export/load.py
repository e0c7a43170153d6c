"""From a record, or the folder of an exported model, to what predicts."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from tlbench.config.schema import Task
from tlbench.config.validation import checked
from tlbench.console import notice
from tlbench.errors import UserError
from tlbench.export.chooser import Chooser
from tlbench.export.chosen import Chosen, of_record
from tlbench.export.export import export
from tlbench.export.folder import MANIFEST, without_bars
from tlbench.export.model import TextClassifier
from tlbench.export.modeling_tlbench import (
    EveryTokenForTokenClassification,
    FirstTokenForMultipleChoice,
    FirstTokenForSequenceClassification,
)
from tlbench.export.predictor import Ensemble, Predictor
from tlbench.export.seeds import Seeds, seeds_of
from tlbench.export.tagger import Tagger
from tlbench.export.weights import with_weights
from tlbench.records.record import RECORD_FILE
from tlbench.records.trust import check_trusted_task
from tlbench.tasks.kinds import kind_of

Load = Callable[[Path], Predictor]

PRECISIONS = {"32-true": torch.float32, "bf16-true": torch.bfloat16}


def load_model(
    source: str | Path,
    device: str | None = None,
    *,
    task: str | None = None,
    ensemble: bool = False,
    precision: str = "32-true",
    trust: bool = False,
) -> Predictor:
    """Return the model of a record, or of a folder that ``tlbench-export`` has written.

    Where the store has not kept a record's weights, they are trained again. That, and what an
    ensemble is made of, is said on standard error.

    Args:
        source: a ``result.json``, the folder that it is in, or an exported folder.
        device: as torch calls it; None for a GPU where there is one.
        task: of a record, another task that its last stage trains; None for its target.
        ensemble: of a record, the mean of all finished seeds of its setting in its study.
        precision: of the encoder: ``32-true``, or ``bf16-true``, which is faster where the
            hardware multiplies bfloat16, and less exact.
        trust: whether a record or folder may name code from anywhere, as a task kind of its own.

    Raises:
        UserError: if there is no such record or folder, it has not what is asked for, or it needs
            ``trust``.
    """
    if not isinstance(source, str | Path):
        raise UserError("Give the folder of the record's job, or of an exported model: a path.")
    if precision not in PRECISIONS:
        raise UserError(f"Change --precision: '{precision}' is none of {', '.join(PRECISIONS)}.")
    place, dtype = Path(source), PRECISIONS[precision]
    load = partial(_of_folder, device=device, dtype=dtype, trust=trust)
    if place.is_file() or (place / RECORD_FILE).exists():
        chosen = of_record(place, task, trust)
        return _mean(seeds_of(chosen), load) if ensemble else _exported(chosen, load)
    if task is not None or ensemble:
        option = "--ensemble" if ensemble else "--task"
        raise UserError(
            f"Leave out {option}, or give a record: an exported folder has one task of one seed."
        )
    return load(place)


def _mean(seeds: Seeds, load: Load) -> Ensemble:
    notice(f"the mean of the {seeds}")
    return Ensemble([_exported(one, load) for one in seeds.chosen.values()], list(seeds.chosen))


def _exported(chosen: Chosen, load: Load) -> Predictor:
    """Return what ``tlbench-export`` would write, loaded: there is one way from record to model."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        export(with_weights(chosen), place)
        return load(place)


def _of_folder(place: Path, device: str | None, dtype: torch.dtype, trust: bool) -> Predictor:
    """Return the model of an exported folder.

    Raises:
        UserError: if it is none, or needs ``trust``.
    """
    try:
        manifest = json.loads((place / MANIFEST).read_text("utf-8"))
        definition = dict(manifest["task"])
        if not trust:
            check_trusted_task(definition, "model")
        node = OmegaConf.create(definition)
        max_length, is_plain = int(manifest["max_length"]), bool(manifest["plain"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Change MODEL: {place} is neither a folder that tlbench-export has written nor a "
            f"record ({error})."
        ) from error
    task = checked(Task, node, "task")
    with without_bars():
        model = _class_of(task, is_plain).from_pretrained(place, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(place)
    model.train(False)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind = kind_of(task)
    make = Tagger if kind.reads_words else Chooser if kind.sequences > 1 else TextClassifier
    return make(model, tokenizer, task, max_length, chosen, dtype)


def _class_of(task: Task, is_plain: bool) -> Any:
    """Return the class of transformers, or ours, that loads an exported folder."""
    if kind_of(task).reads_words:
        return AutoModelForTokenClassification if is_plain else EveryTokenForTokenClassification
    if kind_of(task).sequences > 1:
        return AutoModelForMultipleChoice if is_plain else FirstTokenForMultipleChoice
    return AutoModelForSequenceClassification if is_plain else FirstTokenForSequenceClassification
