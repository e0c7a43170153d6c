"""Tries an encoder with a few rows before anything is trained: can heads read its first token?

It is known by what it does, not by its name; and with random weights, for what is asked is a matter
of its code and config, and a stage may start from weights that another training has spoilt.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import astuple, replace
from functools import cache
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder, load_tokenizer, reason
from tlbench.models.features import PLAIN, Kernels, can_take, features, prepare
from tlbench.models.probe_rows import ProbeRows, Row
from tlbench.plan import encoder_files

log = logging.getLogger(__name__)

# Of the largest feature. Another order of float32 additions changes up to 4e-6 of it, in 48 layers
# as in 12; padding that is attended to 8e-5 where its reach is least (one neighbour, MobileBERT).
_TOLERANCE = 2e-5
_NOISE = 0.02  # as the weights of most begin


def try_encoder(encoder: Encoder, kernels: Sequence[Kernels]) -> Kernels:
    """Try an encoder on the CPU, in float32; the states of random generators stay as they are.

    Args:
        kernels: what may compute its features, the preferred first; the last is ``PLAIN``.

    Returns:
        The first of them that gives the features of the encoder's own forward.

    Raises:
        UserError: if the encoder or its tokenizer can't be loaded or trained, ``max_length`` is
            beyond its positions, or its first token is not that of a bidirectional encoder which
            heeds its attention mask.
    """
    # Those of a stage that a sweep's job trains are those of the next, and a large one takes long.
    return _tried(astuple(replace(encoder, pretrained=False)), tuple(kernels))


@cache
def _tried(fields: tuple[Any, ...], kernels: tuple[Kernels, ...]) -> Kernels:
    encoder = Encoder(*fields)
    with _random_states_kept():
        tokenizer = load_tokenizer(
            encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
        )
        model = load_encoder(encoder)
        with torch.no_grad():
            # Some begin without attention, as NeoMME, and most with a padding token of nothing.
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=_NOISE)
        return _Trial(encoder, tokenizer, model).choose(kernels)


class _Trial:
    """An encoder in evaluation mode, and rows from the shortest to the longest that it may get."""

    def __init__(self, encoder: Encoder, tokenizer: Any, model: PreTrainedModel) -> None:
        self.name, self.most = encoder.name, encoder.max_length
        self.rows = ProbeRows(tokenizer)
        self.model = model.train(False)

    def choose(self, kernels: Sequence[Kernels]) -> Kernels:
        """The first of the kernels that the encoder can be trained with, if it can be at all."""
        if failure := self._failure_to_train(deepcopy(self.model), PLAIN):
            self._refuse(f"can't be trained ({failure})")
        self._check_positions()
        middle = max(self.rows.least, self.most // 2)
        rows = [self.rows.empty, self.rows.pair(middle), self.rows.pair(self.most)]
        expected = self._expected(rows)
        alone = [self._expected([row]) for row in rows]
        if not _same(torch.cat(alone), expected):
            self._refuse(
                "gives a row other features in another batch: it attends to padding, or chance or "
                "earlier batches play a part"
            )
        self._check_that_the_first_token_sees_the_last(rows[-1], alone[-1])
        return next(k for k in kernels if k == PLAIN or self._equals(k, rows, expected))

    def _failure_to_train(self, model: PreTrainedModel, kernels: Kernels) -> str | None:
        """Why a forward and backward of two short rows fail, in training; None if they do not."""
        model.train()
        rows = self.rows.batch([self.rows.empty, self.rows.pair(self.rows.least)])
        try:
            found = features(model, rows, kernels)
            found.sum().backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever a family raises that takes other inputs
            return reason(error)
        size = getattr(model.config, "hidden_size", None)
        if found.shape != (2, size):
            return (
                f"features of shape {tuple(found.shape)}, and hidden_size in its config is {size}"
            )
        return None if found.isfinite().all() else "features that are not finite"

    def _check_positions(self) -> None:
        """Refuse a ``max_length`` beyond the longest row that the encoder takes."""
        failure = self._failure_at(self.most)
        if failure is None:
            return
        taken, refused = self.rows.least, self.most
        while refused - taken > 1:
            middle = (taken + refused) // 2
            if self._failure_at(middle):
                refused = middle
            else:
                taken = middle
        raise UserError(
            f"Change encoder.max_length: {self.name} has {taken} positions, and a row of "
            f"{self.most} tokens fails ({failure})."
        )

    def _check_that_the_first_token_sees_the_last(self, row: Row, seen: Tensor) -> None:
        """Refuse an encoder that gives a row the features ``seen`` whatever its last token is."""
        other = self._expected([self.rows.with_another_end(row)])
        if torch.equal(other, seen):  # exactly: the weight of what attention does not see is 0
            decoder = getattr(self.model.config, "is_decoder", False)
            said = " (is_decoder is true in its config.json)" if decoder else ""
            self._refuse(f"hides the last token from the first, which heads read{said}")

    def _equals(self, kernels: Kernels, rows: Sequence[Row], expected: Tensor) -> bool:
        """Whether kernels can be used, and give the features that are expected."""
        if not can_take(self.model, kernels):
            return False
        model = deepcopy(self.model)
        prepare(model, kernels)
        failure = self._failure_to_train(model, kernels)
        if not failure:
            model.train(False)
            try:
                if _same(self._features(rows, model, kernels), expected):
                    return True
            except Exception as error:
                failure = reason(error)
        why = f"fail ({failure})" if failure else "are not its own"
        log.warning("  fast_kernels: %s features of %s %s; off", kernels.features, self.name, why)
        return False

    @torch.no_grad()
    def _features(
        self, rows: Sequence[Row], model: PreTrainedModel | None = None, kernels: Kernels = PLAIN
    ) -> Tensor:
        return features(model or self.model, self.rows.batch(rows), kernels)

    def _expected(self, rows: Sequence[Row]) -> Tensor:
        """The features of the encoder's own forward, (rows, size)."""
        try:
            return self._features(rows)
        except Exception as error:
            longest = max(len(row["input_ids"]) for row in rows)
            self._refuse(f"fails on rows of {longest} tokens ({reason(error)})")

    def _failure_at(self, tokens: int) -> str | None:
        """Why a row of so many tokens fails; None if it does not."""
        try:
            self._features([self.rows.pair(tokens)])
        except Exception as error:
            return reason(error)
        return None

    def _refuse(self, what: str) -> NoReturn:
        kind = self.model.config.model_type
        raise UserError(f"Change encoder.name: '{self.name}' ({kind}) {what}.")


def _same(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= _TOLERANCE * expected.abs().max())


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Draw what is random from a seed of its own, and as if nothing had been drawn after it."""
    kept = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
