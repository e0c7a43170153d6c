"""The heads of a shared encoder."""

from typing import Any

import torch
from torch import Tensor, nn


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
