"""A finished model that predicts: ``load_model(folder).predict(texts)``."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tlbench.config.schema import Task
from tlbench.config.validation import checked
from tlbench.data.tokenization import pad
from tlbench.errors import UserError
from tlbench.export.classifier import encoder_and_head
from tlbench.export.folder import MANIFEST, without_bars
from tlbench.export.modeling_tlbench import FirstTokenForSequenceClassification
from tlbench.models.features import features, preferred
from tlbench.models.heads import Head
from tlbench.models.probe import prepared
from tlbench.tasks.kinds import kind_of

TOKENS = 8192  # of a batch; a forward of so many is as fast as of more, on a CPU and on a GPU

Texts = Sequence[str] | Sequence[tuple[str, str]]
Floats = NDArray[np.float64]


class TextClassifier:
    """Predicts labels, or numbers, of texts or pairs of texts, as its task was trained.

    Attributes:
        task: its definition.
        max_length: tokens at which a row is cut.
    """

    def __init__(
        self, model: nn.Module, tokenizer: Any, task: Task, max_length: int, device: str
    ) -> None:
        encoder, head = encoder_and_head(model)  # type: ignore[arg-type]
        on_cuda = device != "cpu"
        kernels = preferred(fast=True, on_cuda=on_cuda, compiled=False)
        self.task, self.max_length, self.device = task, max_length, device
        self.tokenizer = tokenizer
        encoder, self.kernels = prepared(encoder, tokenizer, max_length, kernels)
        self.encoder = encoder.to(device)  # type: ignore[arg-type]
        self.head = Head(encoder.config, kind_of(task).outputs).train(False)
        self.head.load_state_dict(head)
        self.head.to(device)

    @property
    def labels(self) -> list[str] | None:
        """The classes; None of a regression."""
        return self.task.labels

    def predict(self, texts: Texts) -> list[str] | list[float]:
        """Return a label for every row, or a number of a regression.

        Args:
            texts: one a row, or two where the task has pairs.

        Raises:
            UserError: if there is one text where the task has two, or the other way round.
        """
        logits = self.logits(texts)
        if self.labels is None:
            return [float(number) for number in logits[:, 0]]
        return [self.labels[best] for best in logits.argmax(axis=1)]

    def probabilities(self, texts: Texts) -> Floats:
        """Return the probability of every label, (rows, labels).

        Raises:
            UserError: as ``predict``, and of a regression, which has none.
        """
        if self.labels is None:
            raise UserError(f"Use predict: '{self.task.name}' is a regression, without labels.")
        return np.asarray(torch.from_numpy(self.logits(texts)).softmax(dim=1))

    @torch.inference_mode()
    def logits(self, texts: Texts) -> Floats:
        """Return the head's outputs, (rows, outputs); of texts as of ``predict``."""
        outputs = kind_of(self.task).outputs
        found = np.empty((len(texts), outputs))
        if not texts:
            return found
        tokens = self._tokens(texts)
        for rows in _batches([len(ids) for ids in tokens["input_ids"]]):
            columns = {name: [column[row] for row in rows] for name, column in tokens.items()}
            inputs = pad(columns, self.tokenizer.pad_token_id, len(columns["input_ids"][-1]))
            on_device = {name: tensor.to(self.device) for name, tensor in inputs.items()}
            logits = self.head(features(self.encoder, on_device, self.kernels))
            found[rows] = logits.float().cpu().numpy()
        return found

    def _tokens(self, texts: Texts) -> dict[str, list[list[int]]]:
        first = [text if isinstance(text, str) else text[0] for text in texts]
        second = [text[1] for text in texts if not isinstance(text, str)]
        wanted = len(self.task.source.text)
        if len(second) not in (0, len(first)) or wanted != (2 if second else 1):
            raise UserError(f"Give {wanted} texts a row, as '{self.task.name}' has.")
        both = (first, second) if second else (first,)
        encoded = self.tokenizer(*both, truncation=True, max_length=self.max_length)
        return dict(encoded)


def _batches(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of every batch, of similar lengths, the longest of each last."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        is_full = end == len(order) or (end - start + 1) * lengths[order[end]] > TOKENS
        if is_full:
            yield order[start:end]
            start = end


def load_model(folder: str | Path, device: str | None = None) -> TextClassifier:
    """Return the model of a folder that ``tlbench-export`` has written.

    Args:
        folder: the folder.
        device: as torch calls it; None for a GPU where there is one.

    Raises:
        UserError: if it is no such folder.
    """
    place = Path(folder)
    try:
        manifest = json.loads((place / MANIFEST).read_text("utf-8"))
        node = OmegaConf.create(manifest["task"])
        max_length, is_plain = int(manifest["max_length"]), bool(manifest["plain"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Change MODEL: {place} is not a folder that tlbench-export has written ({error})."
        ) from error
    task = checked(Task, node, "task")
    with without_bars():
        auto = (
            AutoModelForSequenceClassification if is_plain else FirstTokenForSequenceClassification
        )
        model = auto.from_pretrained(place, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(place)
    model.train(False)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return TextClassifier(model, tokenizer, task, max_length, chosen)
