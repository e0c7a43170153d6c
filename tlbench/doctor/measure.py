"""Measures a training step of tlbench's own, on an encoder of random weights that is made here."""

import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from tlbench.config.schema import Config
from tlbench.data.batch import Batch
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.encoder_files import locate
from tlbench.plan.stage import TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.base import TaskKind
from tlbench.tasks.kinds import kind_of
from tlbench.training import ddp, malloc
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import choose_kernels, make_trainer, without_notes

Clock = Callable[[], float]
FEWEST = 3  # rounds
BUDGET = 20.0  # seconds, after which no further round begins if there were enough
_TOKENIZER = "package:tlbench/assets/tiny"  # its words are not used, only its special tokens


class Shape(NamedTuple):
    """What is computed, how often.

    Attributes:
        layers: of the encoder.
        width: of a layer; a head has 64 of it.
        vocabulary: tokens that have an embedding.
        rows: of a batch, from half of ``tokens`` long to all.
        warmup: steps of a round that are not counted.
        steps: of a round that are.
        rounds: at most; on a slow machine ``FEWEST``.
    """

    layers: int
    width: int
    vocabulary: int
    rows: int
    tokens: int
    warmup: int
    steps: int
    rounds: int


# Of the default encoder, distilroberta, all on a GPU, and a third of it on a CPU, where the whole
# would take minutes: the layers and the embeddings, so that their parts of a step are the same.
ON_GPU = Shape(6, 768, 50265, rows=32, tokens=128, warmup=5, steps=20, rounds=5)
ON_CPU = Shape(2, 768, 16755, rows=16, tokens=64, warmup=1, steps=1, rounds=5)


def step_seconds(
    config: Config,
    precisions: Sequence[str],
    shape: Shape | None = None,
    clock: Clock = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of a training step in each precision, of every round.

    The precisions take turns, so that what else the machine does slows all of them down.

    Args:
        config: of a run; ``trainer`` says what it is trained on.
        precisions: of ``trainer.precision``.
        shape: None for the one that suits the device.
        clock: seconds since any moment.
    """
    on_cuda = ddp.on_cuda(config.trainer)
    shape = shape or (ON_GPU if on_cuda else ON_CPU)
    if not on_cuda:
        malloc.keep_freed()  # as a stage has it
    found: dict[str, list[float]] = {name: [] for name in precisions}
    began = clock()
    with _encoder_files(shape) as folder:
        files = replace(config.encoder, name=str(folder), revision=None, identity=None)
        encoder = replace(files, pretrained=False, num_hidden_layers=None, max_length=shape.tokens)
        for turn in range(shape.rounds):
            if turn >= FEWEST and clock() - began > BUDGET:
                break
            for name in precisions[:: -1 if turn % 2 else 1]:
                trainer = replace(config.trainer, precision=cast(Any, name), progress_bar=False)
                asked = replace(config, encoder=encoder, trainer=trainer)
                found[name].append(_round(asked, shape, clock))
    return found


def _round(config: Config, shape: Shape, clock: Clock) -> float:
    """Train for some steps; return the seconds that one has taken on average."""
    task, total = replace(config.target_task, head_layer=None), shape.warmup + shape.steps
    subset = TaskSubset(task, {}, {}, total * shape.rows, {}, 0)
    stage = TrainStage(config, (subset,))
    model = MultiTaskModel(load_encoder(config.encoder), [task], config.heads)
    model.use(choose_kernels(stage))
    module = MultiTaskModule(model, config, (), "target", total, ())
    stopwatch = _Stopwatch(shape, clock)
    batches: Any = [_batch(shape, kind_of(task))] * total
    with without_notes():
        warnings.filterwarnings("ignore", ".*no `val_dataloader`.*")  # nothing is evaluated
        trainer = make_trainer(stage, total, 1, None, [stopwatch])
        trainer.fit(module, DataLoader(batches, batch_size=None))
    return stopwatch.seconds / shape.steps


def _batch(shape: Shape, kind: TaskKind) -> Batch:
    """Return rows of random tokens, the longest of ``shape.tokens``, with labels of any kind."""
    lengths = torch.linspace(shape.tokens // 2, shape.tokens, shape.rows).long()
    lengths = lengths.repeat_interleave(kind.sequences)
    mask = (torch.arange(shape.tokens) < lengths[:, None]).long()
    ids = torch.arange(shape.rows)
    # Of words every second token is the first of one.
    words = torch.arange(1, shape.tokens // 2, 2).repeat(shape.rows, 1)
    number = ids[:, None] + words if kind.reads_places else ids
    labels = kind.predict(torch.eye(kind.outputs)[number % kind.outputs])
    return Batch(
        {"input_ids": torch.randint(shape.vocabulary, mask.shape), "attention_mask": mask},
        (kind.label_tensor(labels.tolist()).view(torch.int32),),
        (shape.rows,),
        torch.full((shape.rows,), 1 / shape.rows),
        ids,
        shape.rows,
        words=(words,) if kind.reads_places else (),
        sequences=(kind.sequences,),
    )


@contextmanager
def _encoder_files(shape: Shape) -> Iterator[Path]:
    """Yield a folder with the files of an encoder of that shape, which is removed at the end."""
    sizes = {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "intermediate_size": 4 * shape.width,
        "num_attention_heads": max(1, shape.width // 64),
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.tokens,
    }
    with tempfile.TemporaryDirectory(prefix="tlbench-doctor-") as name:
        folder = Path(name) / "encoder"
        shutil.copytree(locate(_TOKENIZER), folder)
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | sizes), "utf-8")
        yield folder


class _Stopwatch(pl.Callback):
    """Measures the steps of a round after the warm-up.

    Attributes:
        seconds: of all of them.
    """

    def __init__(self, shape: Shape, clock: Clock) -> None:
        self._first, self._last = shape.warmup - 1, shape.warmup + shape.steps - 1
        self._clock = clock
        self._began = 0.0
        self.seconds = 0.0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        if batch_idx not in (self._first, self._last):
            return
        if pl_module.device.type == "cuda":  # which works on while Python is here already
            torch.cuda.synchronize()
        if batch_idx == self._first:
            self._began = self._clock()
        else:
            self.seconds = self._clock() - self._began
