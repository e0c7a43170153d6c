"""The heads of a shared encoder."""

from typing import Any

import torch
from torch import Tensor, nn

from tlbench.tasks.base import TaskKind


def make_head(kind: TaskKind, config: Any) -> nn.Module:
    """Return a head for tasks of a kind, of an encoder with this config.

    Those of masked tokens are made of more: ``tlbench.models.lm_head``.
    """
    make = WordHead if kind.reads_words else Head
    return make(config, kind.outputs // kind.sequences)


class Head(nn.Module):
    """RoBERTa's classification head: dropout, dense, tanh, dropout, output (Liu et al. 2019)."""

    def __init__(self, config: Any, outputs: int) -> None:
        super().__init__()
        dropout = getattr(config, "hidden_dropout_prob", 0.1)
        own = getattr(config, "classifier_dropout", None)
        self.dropout = nn.Dropout(dropout if own is None else own)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, outputs)
        for layer in (self.dense, self.output):
            nn.init.normal_(layer.weight, std=getattr(config, "initializer_range", 0.02))
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """From the first token's features, (rows, hidden), to logits, (rows, outputs)."""
        hidden = torch.tanh(self.dense(self.dropout(features)))
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class WordHead(nn.Module):
    """BERT's head for words: dropout, output (Devlin et al. 2019, section 5.3).

    It is that of transformers' own token classifiers, so that an exported model is one of them.
    """

    def __init__(self, config: Any, outputs: int) -> None:
        super().__init__()
        dropout = getattr(config, "hidden_dropout_prob", 0.1)
        own = getattr(config, "classifier_dropout", None)
        self.dropout = nn.Dropout(dropout if own is None else own)
        self.output = nn.Linear(config.hidden_size, outputs)
        nn.init.normal_(self.output.weight, std=getattr(config, "initializer_range", 0.02))
        nn.init.zeros_(self.output.bias)

    def forward(self, features: Tensor) -> Tensor:
        """From features of words' first tokens, (words, hidden), to logits, (words, outputs)."""
        logits: Tensor = self.output(self.dropout(features))
        return logits
