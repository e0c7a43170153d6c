"""A classifier by tlbench: an encoder, and a head that reads its first token, or every one.

The head is RoBERTa's (Liu et al. 2019): a dense layer, tanh, an output layer; of tokens BERT's, an
output layer. transformers has no class that computes the same for this encoder's family, so this
file lies beside the weights:

    AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)

or ``AutoModelForTokenClassification``, or ``AutoModelForMultipleChoice``.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import (
    MultipleChoiceModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)


class FirstTokenConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The labels, and in ``encoder`` the config of the encoder."""

    model_type = "tlbench_first_token"

    def __init__(self, encoder: dict[str, Any] | None = None, **options: Any) -> None:
        self.encoder = encoder or {}
        super().__init__(**options)


class FirstTokenModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """An encoder, and the head on its first token."""

    config_class = FirstTokenConfig
    base_model_prefix = "encoder"

    def __init__(self, config: FirstTokenConfig) -> None:
        super().__init__(config)
        own = AutoConfig.for_model(**config.encoder)
        self.encoder = AutoModel.from_config(own)  # type: ignore[no-untyped-call]
        if isinstance(getattr(self.encoder, "pooler", None), nn.Module):
            self.encoder.pooler = _NoPooler()  # the head has a dense layer of its own
        self.dense = nn.Linear(own.hidden_size, own.hidden_size)
        self.output = nn.Linear(own.hidden_size, self.outputs)
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def outputs(self) -> int:
        """How many numbers the head gives."""
        return len(self.config.id2label or {})

    def head_outputs(self, input_ids: Tensor, **inputs: Any) -> Tensor:
        """Return what the head gives, (sequences, outputs), of inputs (sequences, tokens)."""
        inputs.pop("return_dict", None)
        first = self.encoder(input_ids=input_ids, **inputs).last_hidden_state[:, 0]
        outputs: Tensor = self.output(torch.tanh(self.dense(first)))
        return outputs


class FirstTokenForSequenceClassification(FirstTokenModel):  # type: ignore[no-untyped-call]
    """Logits of every label, or a number where ``problem_type`` is ``regression``."""

    def forward(
        self, input_ids: Tensor, labels: Tensor | None = None, **inputs: Any
    ) -> SequenceClassifierOutput:
        """Return logits, (rows, labels), and with ``labels`` the mean loss.

        Args:
            input_ids: (rows, tokens).
            labels: (rows,); where a row may have several labels (rows, labels), each 0 or 1.
            inputs: ``attention_mask`` and what else the encoder takes, (rows, tokens).
        """
        logits = self.head_outputs(input_ids, **inputs)
        loss = None
        if labels is not None and self.config.problem_type == "regression":
            loss = nn.functional.mse_loss(logits[:, 0], labels.to(logits.dtype))
        elif labels is not None and self.config.problem_type == "multi_label_classification":
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        elif labels is not None:
            loss = nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


class FirstTokenForMultipleChoice(FirstTokenModel):  # type: ignore[no-untyped-call]
    """A logit of every choice."""

    @property
    def outputs(self) -> int:
        """One number for each choice."""
        return 1

    def forward(
        self, input_ids: Tensor, labels: Tensor | None = None, **inputs: Any
    ) -> MultipleChoiceModelOutput:
        """Return logits, (rows, choices), and with ``labels`` the mean loss.

        Args:
            input_ids: (rows, choices, tokens).
            labels: (rows,), the place of the right choice.
            inputs: ``attention_mask`` and what else the encoder takes, (rows, choices, tokens).
        """
        flat = {k: v.flatten(0, 1) if isinstance(v, Tensor) else v for k, v in inputs.items()}
        logits = self.head_outputs(input_ids.flatten(0, 1), **flat).view(input_ids.shape[:2])
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return MultipleChoiceModelOutput(loss=loss, logits=logits)


class EveryTokenConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The same, for labels of tokens."""

    model_type = "tlbench_every_token"

    def __init__(self, encoder: dict[str, Any] | None = None, **options: Any) -> None:
        self.encoder = encoder or {}
        super().__init__(**options)


class EveryTokenForTokenClassification(PreTrainedModel):
    """Logits of every label for each token; those of a word's first are the word's."""

    config_class = EveryTokenConfig
    base_model_prefix = "encoder"

    def __init__(self, config: EveryTokenConfig) -> None:
        super().__init__(config)
        own = AutoConfig.for_model(**config.encoder)
        self.encoder = AutoModel.from_config(own)  # type: ignore[no-untyped-call]
        if isinstance(getattr(self.encoder, "pooler", None), nn.Module):
            self.encoder.pooler = _NoPooler()
        self.output = nn.Linear(own.hidden_size, len(config.id2label or {}))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, labels: Tensor | None = None, **inputs: Any
    ) -> TokenClassifierOutput:
        """Return logits, (rows, tokens, labels), and with ``labels`` the mean loss.

        Args:
            input_ids: (rows, tokens).
            labels: (rows, tokens), -100 of tokens that have none.
            inputs: ``attention_mask`` and what else the encoder takes, (rows, tokens).
        """
        inputs.pop("return_dict", None)
        logits = self.output(self.encoder(input_ids=input_ids, **inputs).last_hidden_state)
        loss = None
        if labels is not None:
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return TokenClassifierOutput(loss=loss, logits=logits)


class _NoPooler(nn.Module):
    """Takes a pooler's place, since some families call theirs without checking for None."""

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        return hidden
