"""A finished model that predicts texts."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from tlbench.config.schema import Task
from tlbench.data.row_texts import texts_per_row
from tlbench.data.tokenization import pad
from tlbench.errors import UserError
from tlbench.export.batches import batches, tokens_of_batch
from tlbench.export.classifier import encoder_and_head
from tlbench.export.predictor import Floats, Predictor, Texts
from tlbench.models.features import PLAIN, Kernels, features
from tlbench.models.heads import make_head
from tlbench.models.probe import prepared
from tlbench.tasks.kinds import kind_of

Ints = NDArray[np.int64]


class EncoderPredictor(Predictor):
    """Predicts by an encoder and a head, on a device.

    Attributes:
        task: its definition.
        max_length: tokens at which a row is cut.
        kernels: what computes the encoder's features.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        task: Task,
        max_length: int,
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(task)
        encoder, head = encoder_and_head(model)  # type: ignore[arg-type]
        self.max_length, self.device, self.tokenizer = max_length, device, tokenizer
        encoder, self.kernels = self._prepared(encoder)
        self.encoder = encoder.to(device, dtype)  # type: ignore[arg-type]
        self.head = make_head(kind_of(task), encoder.config).train(False)
        self.head.load_state_dict(head)
        self.head.to(device)

    def _prepared(self, encoder: PreTrainedModel) -> tuple[PreTrainedModel, Kernels]:
        """Return the encoder, and what computes its features: here its own forward."""
        return encoder, PLAIN

    def _batches(self, tokens: Mapping[str, Any]) -> Iterator[tuple[Ints, dict[str, Tensor]]]:
        """Yield the sequences of every batch, and what the encoder takes of them, on the device.

        Args:
            tokens: by name the columns of the tokenizer, each (sequences,) of lists.
        """
        lengths = [len(ids) for ids in tokens["input_ids"]]
        for rows in batches(lengths, tokens_of_batch(self.encoder)):
            columns = {name: [column[row] for row in rows] for name, column in tokens.items()}
            inputs = pad(columns, self.tokenizer.pad_token_id, len(columns["input_ids"][-1]))
            yield rows, {name: tensor.to(self.device) for name, tensor in inputs.items()}


class TextClassifier(EncoderPredictor):
    """Predicts labels, or numbers, of texts or pairs of texts, as its task was trained."""

    def _prepared(self, encoder: PreTrainedModel) -> tuple[PreTrainedModel, Kernels]:
        # Rows are sorted by length, so there is next to no padding to remove, and to gather and
        # scatter tokens costs more than it saves.
        kernels = [Kernels("first_token", on_cpu=False), PLAIN]
        return prepared(encoder, self.tokenizer, self.max_length, kernels)

    @property
    def texts_per_row(self) -> int:
        """How many texts the tokenizer is given for a sequence."""
        return texts_per_row(self.task)

    def scores(self, texts: Texts) -> Floats:
        """Return the probability of every label, (rows, labels), or numbers, (rows, 1)."""
        logits = self.logits(texts)
        if self.labels is None:
            return logits
        return np.asarray(kind_of(self.task).probabilities(torch.from_numpy(logits)))

    @torch.inference_mode()
    def logits(self, texts: Texts) -> Floats:
        """Return the head's outputs, (rows, outputs); of texts as of ``predict``."""
        kind = kind_of(self.task)
        found = np.empty((len(texts), kind.outputs // kind.sequences))
        if not texts:
            return found
        tokens = self._tokens(texts)
        for rows, inputs in self._batches(tokens):
            # The head is in float32 whatever the encoder is in: it costs next to nothing.
            logits = self.head(features(self.encoder, inputs, self.kernels).float())
            found[rows] = logits.cpu().numpy()
        return found

    def _tokens(self, texts: Texts) -> dict[str, list[list[int]]]:
        first = [text if isinstance(text, str) else text[0] for text in texts]
        second = [text[1] for text in texts if not isinstance(text, str)]
        wanted = self.texts_per_row
        if len(second) not in (0, len(first)) or wanted != (2 if second else 1):
            raise UserError(f"Give {wanted} texts a row, as '{self.task.name}' has.")
        both = (first, second) if second else (first,)
        encoded = self.tokenizer(*both, truncation=True, max_length=self.max_length)
        return dict(encoded)
