"""Heads of masked language models: an encoder's own where its files have one, else a new one.

Both end in a product with the encoder's input embeddings (Press and Wolf 2017), which stay the
encoder's: they are trained, saved and frozen with it. Families that do not tie them have a matrix
of their own in their head.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tlbench.config.schema import Encoder
from tlbench.errors import UserError, first_line
from tlbench.models.loading import load_from_files, quiet_transformers
from tlbench.models.random_state import fixed_random_state
from tlbench.plan import encoder_files


class MaskedHead(nn.Module):
    """Says of masked tokens which is the likeliest, and how likely the right one is.

    Args:
        decoder: from features, (tokens, hidden), to logits, (tokens, vocabulary).
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the likeliest token and the log-probability of the right one, (tokens, 2).

        In float32, as 16 bits hold no number of a token; 0 where there is none.

        Args:
            features: (tokens, hidden).
            labels: the tokens that were there, (tokens,), below 0 where there is none.
        """
        # To leave those out a GPU has to count the others; logits are a vocabulary a token.
        there = labels >= 0
        logits = self.decoder(features[there]).float()
        right = -cross_entropy(logits, labels[there].long(), reduction="none")
        said = torch.zeros(len(features), 2, device=features.device)
        said[there] = torch.stack([logits.argmax(dim=1).float(), right], dim=1)
        return said


class TiedOutput(nn.Module):
    """Logits by the encoder's input embeddings, and a bias.

    Args:
        encoder: whose embeddings they are.
        bias: (vocabulary,); None for none.
    """

    def __init__(self, encoder: PreTrainedModel, bias: nn.Parameter | None) -> None:
        super().__init__()
        # In a tuple, so that no parameter of the encoder is one of the head.
        self._encoder = (encoder,)
        self.bias = bias

    def forward(self, features: Tensor) -> Tensor:
        return linear(features, _embeddings(self._encoder[0]), self.bias)


def _embeddings(encoder: PreTrainedModel) -> Tensor:
    """Return the input embeddings of an encoder, (vocabulary, their size)."""
    weight = encoder.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight


def make_masked_head(encoder: PreTrainedModel, files: Encoder | None = None) -> MaskedHead:
    """Return the head of an encoder for masked tokens; random generators stay as they are.

    Args:
        encoder: of the model that the head is of.
        files: where the encoder was loaded from, which may have a head of its own; None: make one.

    Raises:
        UserError: if the files have a head that can't be read.
    """
    with fixed_random_state():  # weights are drawn before they get their values
        own = None if files is None or not files.pretrained else _own(encoder, files)
        return MaskedHead(own or _new(encoder))


def _new(encoder: PreTrainedModel) -> nn.Module:
    """Return a transform that begins as the identity, and the tied output with a bias of 0."""
    vocabulary, width = _embeddings(encoder).shape
    transform = nn.Linear(encoder.config.hidden_size, width)
    nn.init.eye_(transform.weight)
    nn.init.zeros_(transform.bias)
    return nn.Sequential(transform, TiedOutput(encoder, nn.Parameter(torch.zeros(vocabulary))))


def _own(encoder: PreTrainedModel, files: Encoder) -> nn.Module | None:
    """Return the head that an encoder's files have; None where they have none."""
    if encoder.config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return None
    revision = encoder_files.revision(files)
    options = {"dtype": torch.float32, "output_loading_info": True, "weights_only": True}
    with quiet_transformers():
        model, info = load_from_files(
            AutoModelForMaskedLM, files.name, revision, files.trust_remote_code, **options
        )
    of_encoder = f"{model.base_model_prefix}."
    if any(not name.startswith(of_encoder) for name in info["missing_keys"]):
        return None
    output = model.get_output_embeddings()
    if output.weight is model.get_input_embeddings().weight:
        model.set_output_embeddings(TiedOutput(encoder, output.bias))
    setattr(model, model.base_model_prefix, _Given())
    head = _OwnHead(model.train())
    _check(head, encoder, files.name)
    return head


def _check(head: nn.Module, encoder: PreTrainedModel, name: str) -> None:
    """Make sure that a head can be read alone.

    Raises:
        UserError: if not.
    """
    vocabulary = len(_embeddings(encoder))
    try:
        shape = head(torch.zeros(1, encoder.config.hidden_size)).shape
        problem = None if shape == (1, vocabulary) else f"it gives {tuple(shape)} logits"
    except Exception as error:  # whatever a family raises that wants more than features
        problem = first_line(error)
    if problem is not None:
        raise UserError(
            f"Change encoder.name, or leave out tasks of kind mlm: the language model's head of "
            f"'{name}' can't be read alone ({problem})."
        )


class _Given(nn.Module):
    """Stands for an encoder whose features are given as if they were embeddings."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)


class _OwnHead(nn.Module):
    """A masked language model without its encoder: its own forward from features to logits."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.model(inputs_embeds=features[None]).logits[0]
        return logits
