"""How the features that heads read, the first token's, are computed: by the encoder, or cheaper."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import Tensor
from transformers import PreTrainedModel

from tlbench.models.kernels import first_token, unpadded
from tlbench.models.kernels.dropout import use_fast_kernels


class Kernels(NamedTuple):
    """What computes the features.

    Attributes:
        features: ``unpadded``: all layers without padding (``tlbench.models.kernels.unpadded``);
            ``first_token``: the last layer for that token alone
            (``tlbench.models.kernels.first_token``);
            ``plain``: the encoder's own forward.
        on_cpu: with dropout and attention of ``tlbench.models.kernels.dropout``.
    """

    features: Literal["unpadded", "first_token", "plain"]
    on_cpu: bool


PLAIN = Kernels("plain", on_cpu=False)


def preferred(fast: bool, on_cuda: bool, compiled: bool) -> list[Kernels]:
    """The kernels to try, the cheapest first; the last is the encoder as it is.

    Args:
        fast: ``fast_kernels``.
        compiled: whether the encoder's own forward is compiled, which ``unpadded`` does without.
    """
    if not fast:
        return [PLAIN]
    if on_cuda:
        return [Kernels("first_token", on_cpu=False), PLAIN]
    cheapest = [] if compiled else [Kernels("unpadded", on_cpu=True)]
    return [*cheapest, Kernels("first_token", on_cpu=True), Kernels("plain", on_cpu=True), PLAIN]


def can_take(encoder: PreTrainedModel, kernels: Kernels) -> bool:
    """Whether an encoder is of the kind that kernels are made for."""
    if kernels.features == "unpadded":
        return unpadded.can_unpad(encoder)
    return kernels.features == "plain" or first_token.is_like_bert(encoder)


def prepare(encoder: PreTrainedModel, kernels: Kernels) -> None:
    """Change an encoder so that ``features`` can compute with kernels that it can take."""
    if kernels.on_cpu:
        use_fast_kernels(encoder)
    if kernels.features == "first_token":
        first_token.read_first_token_only(encoder)


def features(encoder: PreTrainedModel, inputs: Mapping[str, Tensor], kernels: Kernels) -> Tensor:
    """The features of every row's first token, (rows, size).

    Args:
        inputs: ``input_ids``, ``attention_mask`` and so on, each (rows, tokens).
        kernels: those that the encoder was prepared for.
    """
    if kernels.features == "unpadded":
        return unpadded.first_tokens(encoder, inputs)
    found: Tensor = encoder(**inputs).last_hidden_state[:, 0]
    return found
