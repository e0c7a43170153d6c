"""A finished model that tags the words of rows."""

from typing import Any

import numpy as np
import torch

from tlbench.data.tokenization import tokens_of_words
from tlbench.errors import UserError
from tlbench.export.model import EncoderPredictor
from tlbench.export.predictor import Floats, Texts
from tlbench.models.features import features
from tlbench.tasks import ragged
from tlbench.tasks.kinds import kind_of


class Tagger(EncoderPredictor):
    """Predicts a tag for each word of rows, as its task was trained.

    Words beyond ``max_length`` are not read.
    """

    @torch.inference_mode()
    def scores(self, texts: Texts) -> Floats:
        """Return the probability of every tag, (rows, words, tags); NaN of words not read.

        Raises:
            UserError: if a row is a text, and no list of words.
        """
        if any(isinstance(words, str) for words in texts):
            raise UserError(f"Give a list of words for each row, as '{self.task.name}' has.")
        words: Any = texts
        tokens = tokens_of_words(self.tokenizer, words, self.max_length)
        places = ragged.padded_tensor(tokens.pop("words"), -1)
        found = np.full((*places.shape, kind_of(self.task).outputs), np.nan)
        for rows, inputs in self._batches(tokens):
            row, word = (places[rows] >= 0).nonzero(as_tuple=True)
            at = (row.to(self.device), places[rows][row, word].to(self.device))
            logits = self.head(features(self.encoder, inputs, self.kernels, places=at).float())
            found[rows[row], word] = logits.double().softmax(dim=-1).cpu().numpy()
        return found
