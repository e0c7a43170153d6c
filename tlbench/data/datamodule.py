"""The LightningDataModule: tokenised draws of the stage's tasks, mixed for training."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from tlbench.config import Task
from tlbench.data import mixing
from tlbench.data.sizes import draw, hold_out
from tlbench.data.sources import splits
from tlbench.model.encoder import load_tokenizer
from tlbench.model.multitask import Batch, row_weights
from tlbench.schedule import Schedule
from tlbench.stage import Stage, TaskDraw

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Tokenised rows of one split of a task: all of them, and which are used."""

    task: Task
    split: str
    tokens: Dataset
    used: Ints


class MultiTaskDataModule(LightningDataModule):
    """Mixed training batches and, per task and split, evaluation batches.

    After ``setup`` the attributes are there:
        train: one ``Rows`` per task.
        evaluated: the ``Rows`` of every evaluation loader, in the order of the loaders.
        schedule: steps, evaluations and the mixer.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.config = stage.config
        encoder = self.config.encoder
        self.tokenizer = load_tokenizer(encoder.name, encoder.revision)
        self.train: list[Rows] = []
        self.evaluated: list[Rows] = []

    def setup(self, stage: str | None = None) -> None:
        if self.train:
            return
        for task_draw in self.stage.draws:
            train, *evaluated = self._rows_of(task_draw)
            self.train.append(train)
            self.evaluated += evaluated
        self.schedule = Schedule(self.stage, tuple(len(rows.used) for rows in self.train))

    def _rows_of(self, task_draw: TaskDraw) -> Iterator[Rows]:
        seed = task_draw.draw_seed
        length = self.config.encoder.max_length
        tokens = {
            name: tokenise(split.load(self.config.cache_dir), self.tokenizer, length)
            for name, split in splits(task_draw.task).items()
        }
        drawn = draw(task_draw.count, task_draw.rows["train"], seed)
        held_out = self.config.selection == "held_out"
        train, held = hold_out(drawn) if held_out else (drawn, drawn[:0])
        yield Rows(task_draw.task, "train", tokens["train"], np.sort(train))
        if held_out:
            yield Rows(task_draw.task, "held_out", tokens["train"], np.sort(held))
        for name, count in task_draw.dev_count.items():
            used = np.sort(draw(count, task_draw.rows[name], seed))
            yield Rows(task_draw.task, name, tokens[name], used)

    def train_dataloader(self) -> DataLoader[Batch]:
        return self._loader(MixedRows(self, self.train), MixedBatches(self.schedule.mixer))

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        return [
            self._loader(MixedRows(self, [rows]), _by_length(rows, self.config.eval_batch_size))
            for rows in self.evaluated
        ]

    def _loader(self, rows: "MixedRows", batches: Any) -> DataLoader[Batch]:
        # A generator of its own: a loader that draws from the global one would change dropout.
        return DataLoader(
            rows,
            sampler=batches,
            batch_size=None,
            num_workers=self.config.num_workers,
            persistent_workers=False,
            generator=torch.Generator().manual_seed(0),
        )

    def collate(self, parts: Sequence[dict[str, list[Any]]], ids: Sequence[Ints]) -> Batch:
        """Pad the tokens of several tasks' rows to one length and weigh their losses."""
        counts = tuple(len(part["label"]) for part in parts)
        names = [name for name in self.tokenizer.model_input_names if name in parts[0]]
        fill = {"input_ids": self.tokenizer.pad_token_id}
        columns = {name: [row for part in parts for row in part[name]] for name in names}
        longest = max(len(row) for row in columns["input_ids"])
        inputs = {
            name: torch.tensor([row + [fill.get(name, 0)] * (longest - len(row)) for row in column])
            for name, column in columns.items()
        }
        labels = torch.tensor([label for part in parts for label in part["label"]])
        return Batch(
            inputs=inputs,
            labels=labels.float(),
            counts=counts,
            weights=row_weights(counts, self.config.loss),
            ids=torch.from_numpy(np.concatenate(ids)),
        )


class MixedRows(TorchDataset[Batch]):
    """Indexed by a batch's plan: for every task in it, positions among its used rows."""

    def __init__(self, module: MultiTaskDataModule, rows: list[Rows]) -> None:
        self.module = module
        self.rows = rows

    def __getitem__(self, plan: mixing.Batch) -> Batch:
        positions = dict(plan)
        nothing = np.empty(0, np.int64)
        ids = [r.used[positions.get(task, nothing)] for task, r in enumerate(self.rows)]
        parts = [r.tokens[i.tolist()] for r, i in zip(self.rows, ids, strict=True)]
        return self.module.collate(parts, ids)


class MixedBatches(Sampler[mixing.Batch]):
    """The mixer's batches of the current epoch; Lightning calls ``set_epoch``."""

    def __init__(self, mixer: mixing.Mixer) -> None:
        self.mixer = mixer
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[mixing.Batch]:
        return iter(self.mixer.plan(self.epoch))

    def __len__(self) -> int:
        return self.mixer.steps()


def _by_length(rows: Rows, batch_size: int) -> list[mixing.Batch]:
    """Batches of rows of like length, so that little is padding."""
    lengths = pc.list_value_length(rows.tokens.data.column("input_ids")).to_numpy()
    order = np.argsort(lengths[rows.used], kind="stable")
    return [[(0, order[i : i + batch_size])] for i in range(0, len(order), batch_size)]


def tokenise(rows: Dataset, tokenizer: Any, max_length: int) -> Dataset:
    """``input_ids`` (and ``token_type_ids``) and ``label`` of all rows, made once per content."""
    texts = [name for name in ("text_a", "text_b") if name in rows.column_names]
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    # The settings of the last call are in there too; they are not what the tokenizer is.
    backend |= {"truncation": None, "padding": None}
    names = tokenizer.model_input_names
    identity = f"{rows._fingerprint} {json.dumps(backend)} {max_length} {names}"
    return rows.map(
        lambda batch: tokenizer(
            *(batch[name] for name in texts), truncation=True, max_length=max_length
        ),
        batched=True,
        remove_columns=texts,
        new_fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:32],
        desc="Tokenising",
    )
