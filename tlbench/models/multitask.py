"""One shared encoder, a head per task or per label count, and the loss of a mixed batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from tlbench.config.schema import Encoder, Task
from tlbench.data.batch import Batch
from tlbench.models.discriminator import Discriminator
from tlbench.models.features import PLAIN, Kernels, layer_features, prepare
from tlbench.models.heads import make_head
from tlbench.models.kernels.dropout import use_fast_kernels
from tlbench.models.layers import layer_to_read
from tlbench.models.lm_head import make_masked_head
from tlbench.models.terms import Read
from tlbench.tasks.kinds import head_name, kind_of


class MultiTaskModel(nn.Module):
    """A shared encoder with heads.

    Args:
        tasks: in the order in which batches hold them.
        heads: ``per_task`` or ``per_label_count``.
        files: where the encoder was loaded from at first; a head for masked tokens may be there.

    Attributes:
        kernels: what computes the features; ``use`` sets it.
        terms: what is added to the losses of rows, each a ``Term``; none until some are appended.
        trains_encoder: whether the encoder is trained; ``freeze_encoder`` changes it.
        layers: of the encoder that the tasks' heads read, from 1, (tasks,).

    Raises:
        UserError: if the encoder has no layer that a task's ``head_layer`` names.
    """

    kernels = PLAIN
    trains_encoder = True

    def __init__(
        self,
        encoder: PreTrainedModel,
        tasks: Sequence[Task],
        heads: str,
        files: Encoder | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tuple(tasks)
        self.sharing = heads
        self.head_names = [head_name(task, heads) for task in tasks]
        self.kinds = [kind_of(task) for task in tasks]
        self.layers = [layer_to_read(encoder, task.head_layer) for task in tasks]
        self.terms = nn.ModuleList()
        of_heads = dict(zip(self.head_names, self.kinds, strict=True))
        # Sorted, so that a seed gives a head the same weights whatever the order of the tasks.
        # The prefix keeps a task called "training" or "type" from shadowing an attribute.
        self.heads = nn.ModuleDict(
            {
                f"head_{name}": make_masked_head(encoder, files)
                if of_heads[name].masks
                else make_head(of_heads[name], encoder.config)
                for name in sorted(of_heads)
            }
        )

    def use(self, kernels: Kernels) -> None:
        """Compute features with kernels that ``tlbench.models.probe`` has tried on the encoder."""
        self.kernels = kernels
        prepare(self.encoder, kernels)
        if kernels.on_cpu:
            use_fast_kernels(self.heads)

    @property
    def discriminator(self) -> Discriminator | None:
        """The term that tells tasks apart, if there is one."""
        return next((one for one in self.terms if isinstance(one, Discriminator)), None)

    def freeze_encoder(self) -> None:
        """Leave the encoder as it is: no gradient goes into it, and heads alone are trained.

        Its features are then those that it gives in evaluation, without dropout, as in linear
        probing (Kumar et al. 2022).
        """
        self.trains_encoder = False
        self.encoder.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode, which a frozen encoder is always in."""
        super().train(mode)
        if not self.trains_encoder:
            self.encoder.train(False)
        return self

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        counts: Sequence[int],
        lengths: Sequence[int] = (),
        words: Sequence[Tensor] = (),
        reads: Sequence[int] = (),
        labels: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """Logits of every task, from one encoder forward.

        Args: as a ``Batch`` has them; ``labels`` are read of tasks whose tokens are masked alone.

        Returns:
            Of each task (rows of the task, outputs), whatever sequences a row is; of one with words
            or masked tokens (rows of the task, words, outputs), -inf where a word has no token.
        """
        words = self._words(words)
        parts = self._parts(inputs, counts, lengths, words, reads)
        return self._logits(parts, words, labels)

    def _words(self, words: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the places of words by task, also where a batch has none of them."""
        return words or [torch.empty(0, 0, dtype=torch.long)] * len(self.kinds)

    def _logits(
        self, parts: Sequence[Tensor], words: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return what each task's head gives of the part that it reads, as ``forward``."""
        logits = []
        for task, (kind, part) in enumerate(zip(self.kinds, parts, strict=True)):
            more = (labels[task].flatten(),) if kind.masks else ()
            said = self._head(task)(part, *more)
            logits.append(
                _by_word(said, words[task]) if kind.reads_places else said.view(-1, kind.outputs)
            )
        return logits

    def _head(self, task: int) -> nn.Module:
        """Return the head of the task at a place."""
        return self.heads[f"head_{self.head_names[task]}"]

    def _parts(
        self,
        inputs: Mapping[str, Tensor],
        counts: Sequence[int],
        lengths: Sequence[int],
        words: Sequence[Tensor],
        reads: Sequence[int],
    ) -> list[Tensor]:
        """Return what the head of each task reads, (tokens, hidden size), from one forward."""
        # In training every layer that is read, whoever has rows: devices exchange the gradients of
        # all weights, and an absent task's head has gradients of zero too.
        present = [self.training or count > 0 for count in counts]
        layers = sorted({layer for layer, has in zip(self.layers, present, strict=True) if has})
        device = inputs["input_ids"].device
        of_kinds = zip(self.kinds, counts, strict=True)
        sequences = [kind.sequences * count for kind, count in of_kinds]
        all_rows = torch.arange(sum(sequences), device=device)
        rows = torch.tensor(reads, device=device) if reads else all_rows
        of_tasks = torch.split(rows, sequences)
        read = {layer: self._read(layer, of_tasks, words) for layer in layers}
        places = {layer: of_layer.places for layer, of_layer in read.items()}
        found = layer_features(self.encoder, inputs, self.kernels, lengths, places)
        parts = {}
        for layer, of_layer in zip(layers, found, strict=True):
            shared = bool(reads) and places[layer] is None  # of a row of several tasks the first
            parts[layer] = torch.split(of_layer[rows] if shared else of_layer, read[layer].tokens)
        return [
            parts[layer][task] if layer in parts else found[0][:0]
            for task, layer in enumerate(self.layers)
        ]

    def _read(self, layer: int, rows: Sequence[Tensor], words: Sequence[Tensor]) -> "_Read":
        """Return which tokens are read of a layer.

        Args:
            layer: its number.
            rows: of each task's sequences, their numbers among those that are encoded.
            words: as a ``Batch`` has them.

        Where none of its tasks has words they are the first of all sequences, of other tasks too:
        to leave those out would save next to nothing.
        """
        own = [one == layer for one in self.layers]
        if not any(of_task.numel() for of_task, has in zip(words, own, strict=True) if has):
            return _Read(None, [len(of_task) for of_task in rows])
        row, place = [], []
        for kind, has, of_task, at in zip(self.kinds, own, rows, words, strict=True):
            if not has:
                of_task, at = of_task[:0], at[:0]
            # A word without a token reads the first: to leave it out, a GPU would have to count.
            row.append(of_task[:, None].expand_as(at).flatten() if kind.reads_places else of_task)
            place.append(
                at.clamp(min=0).flatten() if kind.reads_places else torch.zeros_like(of_task)
            )
        return _Read((torch.cat(row), torch.cat(place)), [len(of_task) for of_task in row])

    def losses(self, batch: Batch) -> list[Tensor]:
        """Return the loss of every row as the kind of its task has it, by task, each (rows,).

        ``terms`` are added.
        """
        words = self._words(batch.words)
        parts = self._parts(batch.inputs, batch.counts, batch.lengths, words, batch.reads)
        logits = self._logits(parts, words, batch.labels)
        by_task = zip(self.kinds, logits, batch.labels, strict=True)
        losses = [kind.losses(of_rows, truth) for kind, of_rows, truth in by_task]
        heads = [self._head(task) for task in range(len(self.tasks))]
        read = Read(self.kinds, heads, parts, logits, batch.labels, words)
        for term in self.terms:
            losses = [loss + more for loss, more in zip(losses, term(read), strict=True)]
        return losses

    def loss(self, batch: Batch) -> Tensor:
        """Return a batch's loss: every row's times its weight."""
        return batch.weighted(self.losses(batch))

    def save_head(self, task: Task, file: Path) -> None:
        """Write the head of a task as safetensors, under names that say nothing of ``heads``.

        A task alone is one stage whatever ``heads`` is set, so its file must serve both settings.
        """
        # Each once, under whatever names its modules have it.
        state = dict(self.heads[f"head_{head_name(task, self.sharing)}"].named_parameters())
        save_file({name: value.detach().cpu() for name, value in state.items()}, file)

    def load_head(self, task: Task, file: Path) -> bool:
        """Take over the saved head of ``task``, if a task here shares it; whether one does."""
        name = head_name(task, self.sharing)
        if name not in self.head_names:
            return False
        head, state = self.heads[f"head_{name}"], load_file(file)
        assert state.keys() == dict(head.named_parameters()).keys(), sorted(state)
        head.load_state_dict(state, strict=False)  # second names of a parameter are not in it
        return True


class _Read(NamedTuple):
    """Which tokens heads read.

    Attributes:
        places: as ``layer_features`` takes them.
        tokens: how many the head of each task reads, (tasks,).
    """

    places: tuple[Tensor, Tensor] | None
    tokens: list[int]


def _by_word(logits: Tensor, words: Tensor) -> Tensor:
    """Return logits of words, (words of all rows, outputs), by row, (rows, words, outputs).

    Args:
        words: the places of their tokens, (rows, words); those below 0 get logits of -inf.
    """
    by_row = logits.view(*words.shape, logits.shape[-1])
    return by_row.masked_fill(words[..., None] < 0, -torch.inf)
