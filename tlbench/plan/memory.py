"""How much memory the training of a stage takes of a device, predicted from shapes.

Counted are weights, gradients, the optimizer's states, and what a forward of the longest rows keeps
for its backward: inputs of linear maps, normalisations and activations, queries, keys and values,
attention's weights, dropout masks, in mixed precision a copy of the layers' weights in 16 bits, and
the gradients of one layer's activations; of masked tokens logits, as many as the vocabulary has
tokens. On a CPU gradients count twice: so much more a step took
at its peak, for seven shapes of three families. Not counted are what Python and its libraries take,
rows of data, and what one operation takes while it runs. ``python -m benchmarks.model_memory``
compares with what is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tlbench.config.schema import Config
from tlbench.data.masking import RATE
from tlbench.data.micro_batches import rows_of_forward
from tlbench.methods.stage import is_by_task
from tlbench.plan.encoder_shape import Kept, Kernels, Shape, shape_of, vocabulary_of
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.kinds import kind_of

_EMBEDDED = 8  # bytes of a token and unit: input of the embeddings' normalisation, dropout mask
_STATISTICS = 16  # bytes of a token in each layer: mean and deviation of two normalisations
# Numbers a weight that an optimizer remembers, by the name of its class; of others two.
_STATES = {"Adagrad": 1, "RMSprop": 1, "Adadelta": 2, "SGD": 0}
# Numbers in 32 bits for each logit of a masked token: the logit, the logarithm of its probability,
# and in a backward a gradient.
_OF_LOGIT, _OF_LOGIT_EVALUATED = 3, 2
_FILLED = 128  # tokens, to a multiple of which an unpadded batch is filled up


@dataclass(frozen=True)
class Memory:
    """The memory of a training in bytes.

    Attributes:
        gradients: those of a step, and copies of the weights that a step needs.
        activations: what is kept for a backward, or what an evaluation needs if that is more.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it at once, as from the second forward of a step on."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        parts = (f"{name} {value / 1e9:.1f}" for name, value in vars(self).items())
        return f"about {self.total / 1e9:.1f} GB a job ({', '.join(parts)})"


def memory_of(stage: TrainStage, on_gpu: bool, tokens: int | None = None) -> Memory | None:
    """Return what training a stage takes on each device; None if its encoder's size is not known.

    Args:
        on_gpu: where attention is one fused kernel, and nothing is computed without padding.
        tokens: of the longest row; None: as many as ``encoder.max_length`` allows.
    """
    config = stage.config
    size = shape_of(config.encoder)
    if size is None:
        return None
    # Layers above the highest that a head reads are neither computed nor trained.
    read = replace(size, layers=highest_layer(stage, size.layers))
    number = {"64-true": 8, "bf16-true": 2}.get(config.trainer.precision, 4)
    heads = len(stage.subsets) * (size.hidden + 3) * size.hidden  # about: labels hardly count
    weights = (size.parameters + heads) * number
    trained = (_trained(read, config) + heads) * number
    forward = _Forward.of(stage, read, on_gpu, min(tokens or 10**9, config.encoder.max_length))
    return Memory(
        weights,
        trained * (_copies(stage) + (0 if on_gpu else 1)),
        int(trained / number * _bytes_of_states(config.optim.optimizer, number)),
        max(
            forward.training(_reach(read, config)) + forward.logits(forward.rows, _OF_LOGIT),
            forward.evaluation() + forward.logits(forward.evaluated, _OF_LOGIT_EVALUATED),
        ),
    )


def highest_layer(stage: TrainStage, layers: int) -> int:
    """Return the highest layer that a head of a stage reads, of an encoder of so many."""
    return max(subset.task.head_layer or layers for subset in stage.subsets)


def _trained(size: Shape, config: Config) -> int:
    """Return how many weights of an encoder are trained, an adapter's counted as on all maps."""
    if config.encoder.adapter.name != "none":
        ends = 8 * size.hidden + 2 * (size.hidden + size.intermediate)  # of six maps of a layer
        every = config.encoder.adapter.target_modules == "all-linear"
        maps = ends if every else 4 * size.hidden  # of queries and values
        return size.layers * config.encoder.adapter.r * maps
    of_layer = 9 * size.hidden + size.intermediate  # biases, those of normalisations too
    return {
        "all": size.parameters,
        "heads": 0,
        "bias": size.layers * of_layer,
        "top": min(config.trainable_layers, size.layers) * size.layer,
    }[config.trainable]


def _reach(size: Shape, config: Config) -> int:
    """Return through how many layers a backward goes, from the last one."""
    if config.trainable == "heads":
        return 0
    return min(config.trainable_layers, size.layers) if config.trainable == "top" else size.layers


def largest(stages: Sequence[TrainStage], on_gpu: bool, tokens: int | None = None) -> Memory | None:
    """Return the memory of the stage that takes most; None if it is not known of one of them.

    Args:
        on_gpu, tokens: see ``memory_of``.
    """
    each = [memory_of(stage, on_gpu, tokens) for stage in stages]
    known = [one for one in each if one]
    return max(known, key=lambda one: one.total) if each and len(known) == len(each) else None


def _copies(stage: TrainStage) -> int:
    """Return how many numbers a step holds for each weight that is trained, beside the weight."""
    config = stage.config
    gradients = len(stage.subsets) if is_by_task(config, stage.tasks) else 1
    has_buckets = config.trainer.devices not in (1, "auto")
    return gradients + (config.perturb.name == "sam") + bool(config.optim.l2_sp) + has_buckets


def _bytes_of_states(optimizer: dict[str, Any], number: int) -> float:
    name = str(optimizer.get("_target_")).rpartition(".")[2]
    if name.endswith("8bit"):
        return 2.0 + 8 / 256  # a scale for every 256 numbers
    momentum = name == "SGD" and bool(optimizer.get("momentum"))
    return number * (_STATES.get(name, 2) + momentum)


@dataclass(frozen=True)
class _Forward:
    """The activations of an encoder on a device.

    Attributes:
        rows: sequences of a forward in training, where all rows are of the task with most choices;
            evaluated: in evaluation.
        tokens: of each of them.
        kept: by a layer.
        reads_places: whether a head reads more than a row's first token of the highest layer.
        vocabulary: tokens that are predicted of each masked one; 0 where none is masked.
        number: bytes of a number where it need not be exact.
    """

    size: Shape
    kernels: Kernels
    kept: Kept
    number: int
    rows: int
    evaluated: int
    tokens: int
    is_mixed_precision: bool
    is_checkpointed: bool
    reads_places: bool
    vocabulary: int

    @classmethod
    def of(cls, stage: TrainStage, size: Shape, on_gpu: bool, tokens: int) -> "_Forward":
        config = stage.config
        fast, precision = config.fast_kernels, config.trainer.precision
        kinds = [kind_of(subset.task) for subset in stage.subsets]
        sequences = max(kind.sequences for kind in kinds)
        rows = rows_of_forward(config) * sequences
        if config.micro_batch_tokens:
            rows = min(rows, max(sequences, config.micro_batch_tokens // tokens))
        devices = config.trainer.devices if isinstance(config.trainer.devices, int) else 1
        kernels: Kernels = "plain"
        if fast and size.can_unpad:
            compiled = str(config.trainer.compile).lower() == "true"
            kernels = "first_token" if on_gpu or compiled else "unpadded"
        in_16 = precision != "32-true" and precision != "64-true"
        kept = size.in_16 if in_16 else size.in_32
        token, inner, scores = kept.token, kept.inner, kept.scores
        fused = size.relative == 0 and (on_gpu or not size.drops_scores)
        if in_16 and not fast and not on_gpu and not fused and not size.relative:
            # PyTorch's attention with dropout computes in 32 bits on a CPU.
            token, scores = token + 6, size.in_32.scores
        number = 2 if in_16 else 4
        if kernels == "unpadded":
            token += 3 * number  # queries, keys and values again, in padded rows
        return cls(
            size,
            kernels,
            Kept(token, inner, 0 if fused else scores),
            number,
            -(-rows // devices),
            max(sequences, config.eval_batch_size * config.encoder.max_length // tokens),
            tokens,
            precision.endswith("-mixed"),
            config.encoder.gradient_checkpointing,
            any(
                kind.reads_places
                for kind, subset in zip(kinds, stage.subsets, strict=True)
                if subset.task.head_layer in (None, size.layers)
            ),
            vocabulary_of(config.encoder) if any(kind.masks for kind in kinds) else 0,
        )

    def training(self, reach: int) -> int:
        """Return the bytes that a training forward keeps, layer by layer and in the embeddings.

        Args:
            reach: how many of the last layers a backward goes through; of others nothing is kept.
        """
        if not reach:
            return 0
        size, tokens = self.size, self._filled(self.rows * self.tokens)
        layer = self._layer(self.rows)
        copies = 2 * size.layers * size.layer if self.is_mixed_precision else 0
        last = layer
        if self.kernels != "plain" and not self.reads_places:
            # Of all tokens but keys and values, and the layer's input.
            padded = 2 if self.kernels == "unpadded" else 0
            last = (3 + padded) * self.number * tokens * size.hidden
        inputs = 4 * tokens * size.hidden
        if self.is_checkpointed:
            layers = (reach - 1) * inputs + max(layer, last, copies)
        else:
            layers = (reach - 1) * layer + last + copies
        backward = 2 * self.number * (size.intermediate + size.hidden) * tokens  # of one layer
        embedded = _EMBEDDED * tokens * size.hidden if reach == size.layers else 0
        return int(embedded + layers + backward)

    def logits(self, rows: int, numbers: int) -> int:
        """Return the bytes of what a head says of masked tokens, if all rows have any.

        Args:
            rows: sequences of a forward.
            numbers: for each logit.
        """
        return int(4 * numbers * RATE * rows * self.tokens * self.vocabulary)

    def evaluation(self) -> int:
        """Return the bytes of one layer in an evaluation, which keeps nothing of those before."""
        # Without dropout attention is fused on a CPU too.
        kept = self.kept if self.size.relative else replace(self.kept, scores=0)
        return int(replace(self, kept=kept)._layer(self.evaluated))

    def _layer(self, rows: int) -> float:
        size, tokens = self.size, self._filled(rows * self.tokens)
        linear = self.kept.token * size.hidden + self.kept.inner * size.intermediate + _STATISTICS
        pairs = self.tokens**2
        scores = self.kept.scores * rows * size.heads * pairs
        if size.relative:
            # Of both kinds, content to position and position to content: scores, and the positions
            # repeated for each row. Then indices and the positions' own maps.
            both = 2 * rows * size.relative * (size.heads * self.tokens + size.hidden)
            scores += both * self.number + 8 * size.relative * size.hidden + 17 * pairs
        return linear * tokens + scores

    def _filled(self, tokens: int) -> int:
        return -(-tokens // _FILLED) * _FILLED if self.kernels == "unpadded" else tokens
