"""A finished model that tags the words of rows."""

from typing import Any

import numpy as np
import torch
from torch import nn

from tlbench.config.schema import Task
from tlbench.data.tokenization import pad, tokens_of_words
from tlbench.errors import UserError
from tlbench.export.batches import batches, tokens_of_batch
from tlbench.export.classifier import encoder_and_head
from tlbench.export.predictor import Floats, Predictor, Texts
from tlbench.models.features import PLAIN, features
from tlbench.models.heads import make_head
from tlbench.tasks import ragged
from tlbench.tasks.kinds import kind_of


class Tagger(Predictor):
    """Predicts a tag for each word of rows, as its task was trained.

    Attributes:
        task: its definition.
        max_length: tokens at which a row is cut; words beyond are not read.
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
        self.encoder = encoder.to(device, dtype)  # type: ignore[arg-type]
        self.head = make_head(kind_of(task), encoder.config).train(False)
        self.head.load_state_dict(head)
        self.head.to(device)

    @torch.inference_mode()
    def scores(self, texts: Texts) -> Floats:
        """Return the probability of every tag, (rows, words, tags); NaN of words not read.

        Raises:
            UserError: if a row is a text, and no list of words.
        """
        if any(isinstance(words, str) for words in texts):
            raise UserError(f"Give a list of words for each row, as '{self.task.name}' has.")
        rows: Any = texts
        tokens = tokens_of_words(self.tokenizer, rows, self.max_length)
        places = ragged.padded_tensor(tokens.pop("words"), -1)
        found = np.full((*places.shape, kind_of(self.task).outputs), np.nan)
        lengths = [len(ids) for ids in tokens["input_ids"]]
        for rows in batches(lengths, tokens_of_batch(self.encoder)):
            columns = {name: [column[row] for row in rows] for name, column in tokens.items()}
            inputs = pad(columns, self.tokenizer.pad_token_id, len(columns["input_ids"][-1]))
            on_device = {name: tensor.to(self.device) for name, tensor in inputs.items()}
            row, word = (places[rows] >= 0).nonzero(as_tuple=True)
            at = (row.to(self.device), places[rows][row, word].to(self.device))
            logits = self.head(features(self.encoder, on_device, PLAIN, places=at).float())
            found[rows[row], word] = logits.double().softmax(dim=-1).cpu().numpy()
        return found
