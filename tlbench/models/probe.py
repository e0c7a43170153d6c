"""Tries an encoder with a few rows before anything is trained: can heads read its first token?

It is judged by its behaviour, not by its name. And with random weights: the questions are about its
code and config, and a stage may start from weights that another training has spoilt.
"""

import gc
import logging
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tlbench.config.schema import Encoder
from tlbench.errors import UserError, first_line
from tlbench.models import adapters
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.features import PLAIN, Kernels, features, layer_features, prepare, supports
from tlbench.models.layers import hidden_states, layer_to_read
from tlbench.models.probe_rows import ProbeRows, Row
from tlbench.models.random_state import fixed_random_state
from tlbench.plan import encoder_files

log = logging.getLogger(__name__)

# Of the largest feature. Another order of float32 additions changes up to 4e-6 of it, in 48 layers
# as in 12; padding that is attended to 8e-5 where its reach is least (one neighbour, MobileBERT).
_TOLERANCE = 2e-5
_TOLERANCE_16_BITS = 3  # of how far off the encoder's own forward is in 16 bits
_NOISE = 0.02  # standard deviation, as most encoders initialise their weights


def try_encoder(
    encoder: Encoder, kernels: Sequence[Kernels], head_layers: Sequence[int | None] = (None,)
) -> Kernels:
    """Try an encoder on the CPU, in float32; the states of random generators stay as they are.

    Args:
        encoder: as the config has it.
        kernels: what may compute its features, the preferred first; the last is ``PLAIN``.
        head_layers: the layers that heads read; None for the last.

    Returns:
        The first of them that gives the features of the encoder's own forward.

    Raises:
        UserError: if the encoder or its tokenizer can't be loaded or trained, its adapter does not
            fit it, ``max_length`` is beyond its positions, or its first token is not that of a
            bidirectional encoder that respects its attention mask; or naming ``head_layer``, if it
            has no such layers.
    """
    # Kept: a sweep's job trains stages of one encoder, and a large one takes long to try.
    encoder = replace(encoder, pretrained=False)
    read = sorted({*head_layers}, key=lambda layer: layer or 0)
    tried = repr((encoder, kernels, read))
    if tried not in _chosen:
        _chosen[tried] = _try_encoder(encoder, kernels, read)
        # The copies hold each other: a large encoder's would stay beside the one that is trained.
        gc.collect()
    return _chosen[tried]


_chosen: dict[str, Kernels] = {}  # by what was tried


@torch.no_grad()
def prepared(
    model: PreTrainedModel, tokenizer: Any, max_length: int, kernels: Sequence[Kernels]
) -> tuple[PreTrainedModel, Kernels]:
    """Return an encoder that only predicts, prepared for the first kernels that give its features.

    Args:
        model: in evaluation mode, in float32 and on the CPU.
        tokenizer: of the encoder.
        max_length: tokens of its longest row.
        kernels: the preferred first; the last is ``PLAIN``.
    """
    probe = ProbeRows(tokenizer)
    rows = probe.batch(probe.examples(max_length))
    expected = features(model, rows, PLAIN)
    for tried in kernels:
        if tried == PLAIN or not supports(model, tried):
            continue
        changed = deepcopy(model)
        prepare(changed, tried)
        changed.train(False)  # new modules begin as those that train
        if _agree(features(changed, rows, tried), expected):
            return changed, tried
    return model, PLAIN


def _try_encoder(
    encoder: Encoder, kernels: Sequence[Kernels], head_layers: Sequence[int | None]
) -> Kernels:
    with fixed_random_state():
        tokenizer = load_tokenizer(
            encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
        )
        model = load_encoder(encoder)
        adapters.inject(model, encoder.adapter)
        with torch.no_grad():
            # Some begin without attention (NeoMME), and most with an embedding of 0 for padding.
            # With noise both have an effect, so that it can be seen whether they should; and an
            # adapter has one, so that it can be seen whether kernels pass it by.
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=_NOISE)
        return _Probe(encoder, tokenizer, model, head_layers).choose(kernels)


class _Probe:
    """An encoder in evaluation mode, with rows from the shortest to the longest that it may get."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Any,
        model: PreTrainedModel,
        head_layers: Sequence[int | None],
    ) -> None:
        self.layers = sorted({layer_to_read(model, layer) for layer in head_layers})
        self.name, self.max_length = encoder.name, encoder.max_length
        self.rows = ProbeRows(tokenizer)
        self.model = model.train(False)

    def choose(self, kernels: Sequence[Kernels]) -> Kernels:
        """Return the first of the kernels that the encoder can be trained with.

        Raises:
            UserError: if the encoder can't be trained at all.
        """
        # On a copy, since gradients and what a forward may keep would remain in the model.
        if failure := self._failure_to_train(deepcopy(self.model), PLAIN):
            self._refuse(f"can't be trained ({failure})")
        self._check_positions()
        rows = self.rows.examples(self.max_length)
        self._check_layers(rows)
        expected = self._own_features(rows)
        one_by_one = [self._own_features([row]) for row in rows]
        if not _agree(torch.cat(one_by_one), expected):
            self._refuse(
                "gives a row other features in another batch: it attends to padding, or its "
                "forward is random or depends on earlier batches"
            )
        self._check_that_the_first_token_sees_the_last(rows[-1], one_by_one[-1])
        return next(k for k in kernels if k == PLAIN or self._can_use(k, rows, expected))

    def _failure_to_train(self, model: PreTrainedModel, kernels: Kernels) -> str | None:
        """Return why a training step on two short rows fails; None if it does not."""
        model.train()
        rows = [self.rows.empty, self.rows.pair(self.rows.min_tokens)]
        try:
            computed = self._computed(rows, model, kernels)
            computed.sum().backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever a family with other inputs raises
            return first_line(error)
        size = getattr(model.config, "hidden_size", None)
        if computed.shape != (2, size * len(self.layers) if size else None):
            return (
                f"features of shape {tuple(computed.shape)}, and hidden_size in its config is "
                f"{size}"
            )
        return None if computed.isfinite().all() else "features that are not finite"

    def _check_positions(self) -> None:
        """Make sure that the encoder has positions for ``max_length`` tokens.

        Raises:
            UserError: naming how many it has, if not.
        """
        failure = self._failure_at(self.max_length)
        if failure is None:
            return
        # Bisection, as configs count positions in different ways (RoBERTa's two more than usable).
        works, fails = self.rows.min_tokens, self.max_length
        while fails - works > 1:
            middle = (works + fails) // 2
            if self._failure_at(middle):
                fails = middle
            else:
                works = middle
        raise UserError(
            f"Change encoder.max_length: {self.name} has {works} positions, and a row of "
            f"{self.max_length} tokens fails ({failure})."
        )

    @torch.no_grad()
    def _check_layers(self, rows: Sequence[Row]) -> None:
        """Make sure that a layer is read as an encoder that is cut behind it gives it.

        Raises:
            UserError: if a family does more behind its last layer than is known here.
        """
        batch, (*below, highest) = self._batch(rows, self.model), self.layers
        for layer in below:
            read, _ = hidden_states(self.model, batch, [layer, highest])
            (expected,) = hidden_states(self.model, batch, [layer])
            if not _agree(read[:, 0], expected[:, 0]):
                self._refuse(
                    f"can't be read at layer {layer}, as it changes the output of its last one: "
                    "leave out head_layer"
                )

    def _failure_at(self, tokens: int) -> str | None:
        """Return why a row of so many tokens fails; None if it does not."""
        try:
            self._features([self.rows.pair(tokens)])
        except Exception as error:
            return first_line(error)
        return None

    def _check_that_the_first_token_sees_the_last(self, row: Row, row_features: Tensor) -> None:
        """Make sure that a row has other features if its last token is another.

        Raises:
            UserError: if it has the same.
        """
        changed = self._own_features([self.rows.with_other_last_word(row)])
        # Exactly equal: a causal mask gives the last token a weight of exactly 0.
        if torch.equal(changed, row_features):
            decoder = getattr(self.model.config, "is_decoder", False)
            cause = " (is_decoder is true in its config.json)" if decoder else ""
            self._refuse(f"hides the last token from the first, which heads read{cause}")

    def _can_use(self, kernels: Kernels, rows: Sequence[Row], expected: Tensor) -> bool:
        """Return whether kernels can be trained with, and give the features that are expected."""
        if not supports(self.model, kernels):
            return False
        model = deepcopy(self.model)
        prepare(model, kernels)
        failure = self._failure_to_train(model, kernels)
        if not failure:
            model.train(False)
            try:
                agrees = _agree(self._features(rows, model, kernels), expected)
                if agrees and not kernels.on_cpu and torch.cuda.is_available():
                    agrees = self._agrees_in_16_bits(model, kernels, rows, expected, "cuda")
                if agrees:
                    return True
            except Exception as error:
                failure = first_line(error)
        why = f"fail ({failure})" if failure else "are not its own"
        log.warning("  fast_kernels: %s features of %s %s; off", kernels.features, self.name, why)
        return False

    def _agrees_in_16_bits(
        self,
        model: PreTrainedModel,
        kernels: Kernels,
        rows: Sequence[Row],
        expected: Tensor,
        device: str,
    ) -> bool:
        """Return whether an encoder trains with kernels, and gives its features, on a device.

        Attention in 16 bits is another kernel there than what a CPU computes in 32.

        Args:
            model: prepared for the kernels.
            expected: the rows' features in 32 bits.
        """
        on_device = deepcopy(model).to(device)  # type: ignore[arg-type]
        own = deepcopy(self.model).to(device)
        with torch.autocast(device, torch.bfloat16):
            if failure := self._failure_to_train(on_device, kernels):
                raise RuntimeError(failure)
            on_device.train(False)
            off, own_off = (
                (self._features(rows, one, by).float().cpu() - expected).abs().max()
                for one, by in ((on_device, kernels), (own, PLAIN))
            )
        return bool(off <= _TOLERANCE_16_BITS * own_off)

    @torch.no_grad()
    def _features(
        self, rows: Sequence[Row], model: PreTrainedModel | None = None, kernels: Kernels = PLAIN
    ) -> Tensor:
        asked = model or self.model
        return self._computed(rows, asked, kernels)

    def _computed(self, rows: Sequence[Row], model: PreTrainedModel, kernels: Kernels) -> Tensor:
        """Return features of the first token, (rows, hidden size), of layers side by side."""
        places = dict.fromkeys(self.layers)
        return torch.cat(layer_features(model, self._batch(rows, model), kernels, (), places), 1)

    def _batch(self, rows: Sequence[Row], model: PreTrainedModel) -> dict[str, Tensor]:
        return {name: values.to(model.device) for name, values in self.rows.batch(rows).items()}

    def _own_features(self, rows: Sequence[Row]) -> Tensor:
        """Return the features of the encoder's own forward, (rows, hidden size).

        Raises:
            UserError: if that fails.
        """
        try:
            return self._features(rows)
        except Exception as error:
            longest = max(len(row["input_ids"]) for row in rows)
            self._refuse(f"fails on rows of {longest} tokens ({first_line(error)})")

    def _refuse(self, why: str) -> NoReturn:
        model_type = self.model.config.model_type
        raise UserError(f"Change encoder.name: '{self.name}' ({model_type}) {why}.")


def _agree(computed: Tensor, expected: Tensor) -> bool:
    return bool((computed - expected).abs().max() <= _TOLERANCE * expected.abs().max())
