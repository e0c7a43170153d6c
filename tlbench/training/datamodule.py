"""The LightningDataModule: tokenised draws of the stage's tasks, mixed for training."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from tlbench.data import batching
from tlbench.data.batch import Batch
from tlbench.data.collation import MultiTaskDataset
from tlbench.data.length_grouping import group_by_length
from tlbench.data.planned_batches import MultiTaskBatchSampler, by_length
from tlbench.data.shared_rows import row_groups
from tlbench.data.split import Split
from tlbench.data.subsampling import draw, hold_out
from tlbench.data.tokenization import tokenise
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.models.encoder import load_tokenizer
from tlbench.plan import encoder_files
from tlbench.plan.schedule import Schedule
from tlbench.plan.stage import Stage, TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.kinds import kind_of


class RowChange(Protocol):
    """What another stage's predictions make of the train rows of a task."""

    def __call__(self, data: "MultiTaskDataModule", rows: TokenizedSplit) -> TokenizedSplit:
        """Return the rows that are trained in the place of those that are drawn."""


class MultiTaskDataModule(LightningDataModule):
    """Mixed training batches and, per task and split, evaluation batches.

    Of a stage that trains nothing it is asked for rows alone.

    Args:
        single_task_scores: of every task trained alone, for ``sampling=dynamic``.
        change: what another stage's predictions make of the train rows; None: nothing.

    Attributes:
        drawn: after ``setup`` one ``TokenizedSplit`` per task, of its own train rows.
        train: after ``setup`` the same with what ``change`` makes of them.
        evaluated: after ``setup`` one of every evaluation loader, in their order.
        schedule: after ``setup`` steps, evaluations and the mixer.
        latest_scores: the score of every task at the latest evaluation; whoever evaluates sets it.
        groups: after ``setup`` of a training, the tasks that share rows.
        shares: of every epoch begun, each group's part.
        before_batches: is called before the first training batches are made.
    """

    def __init__(
        self,
        stage: Stage,
        single_task_scores: Mapping[str, float] | None = None,
        change: "RowChange | None" = None,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.change = change
        self.single_task_scores = single_task_scores or {}
        self.latest_scores: dict[str, float] = {}
        self.shares: list[list[float]] = []
        self.before_batches: Callable[[], None] = lambda: None
        self.at = (0, 0)  # the epoch to begin with, and the steps of it that are done already
        self.config = stage.config
        encoder = self.config.encoder
        self.tokenizer = load_tokenizer(
            encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
        )
        self.drawn: list[TokenizedSplit] = []
        self.train: list[TokenizedSplit] = []
        self.evaluated: list[TokenizedSplit] = []

    def setup(self, stage: str | None = None) -> None:
        if self.train:
            return
        for subset in self.stage.subsets:
            train, *evaluated = self.splits_of(subset)
            self.drawn.append(train)
            self.train.append(train if self.change is None else self.change(self, train))
            self.evaluated += evaluated
        if isinstance(self.stage, TrainStage):
            used = [rows.used for rows in self.train]
            self.groups = row_groups([rows.task for rows in self.train], used)
            self.schedule = Schedule(self.stage, tuple(map(len, self.groups)))

    def splits_of(self, subset: TaskSubset) -> Iterator[TokenizedSplit]:
        """Yield what a task trains on, then what is evaluated of it."""
        seed = subset.seed
        by_name = subset.splits()
        tokens = {name: self.tokens(split) for name, split in by_name.items()}
        drawn = subset.drawn()
        held_out = self.config.selection == "held_out"
        train, held = hold_out(drawn) if held_out else (drawn, drawn[:0])
        yield TokenizedSplit(subset.task, "train", tokens["train"], np.sort(train)).labelled()
        if held_out:
            held = np.sort(held)
            yield TokenizedSplit(subset.task, "held_out", tokens["train"], held).labelled()
        for name, count in subset.dev_count.items():
            used = np.sort(draw(count, subset.rows[name], seed))
            yield TokenizedSplit(by_name[name].task, name, tokens[name], used).labelled()

    def tokens(self, split: Split) -> Dataset:
        """Return all rows of a split tokenised, from the cache the second time."""
        cache_dir = self.config.cache_dir
        rows = split.load(cache_dir, verify=True)
        length = self.config.encoder.max_length
        masks = kind_of(split.task).masks
        return tokenise(rows, self.tokenizer, length, cache_dir, split.title, masks)

    def train_dataloader(self) -> DataLoader[Batch]:
        self.before_batches()
        rank, ranks = self._rank()
        tokens = self.config.micro_batch_tokens
        rows = MultiTaskDataset(self.train, self.tokenizer, self.config, rank, ranks, tokens)
        batches = MultiTaskBatchSampler(self.batches, self.schedule.mixer.steps(), self.at[0])
        return self._loader(rows, batches)

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        rank, ranks = self._rank()
        tokens = self.config.eval_batch_size * self.config.encoder.max_length
        batches = [by_length(rows, tokens) for rows in self.evaluated]
        # A rank without a batch of its own does another's again: all must evaluate together.
        mine = [all_of_split[rank::ranks] or all_of_split[:1] for all_of_split in batches]
        return [
            self._loader(MultiTaskDataset([rows], self.tokenizer, self.config), part)
            for rows, part in zip(self.evaluated, mine, strict=True)
        ]

    def _rank(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def batches(self, epoch: int) -> list[batching.BatchPlan]:
        """The batches of an epoch, without those done before the stage was interrupted in it."""
        if epoch == len(self.shares):
            self.shares.append(self._shares(epoch).tolist())
        # The first epoch's are passed as None, for it may end with a smaller batch.
        same = self.shares[epoch] == self.shares[0]
        plan = self.schedule.mixer.plan(epoch, None if same else np.array(self.shares[epoch]))
        if self.config.group_by_length:
            rng = np.random.default_rng([self.config.seed, epoch, 1])
            lengths = [rows.lengths for rows in self.train]
            plan = group_by_length(plan, [group.lengths(lengths) for group in self.groups], rng)
        return plan[self.at[1] if epoch == self.at[0] else 0 :]

    def shares_of_tasks(self) -> list[list[float]]:
        """Return ``shares`` by task: those on the same rows have the same part."""
        by_task = {t: at for at, group in enumerate(self.groups) for t in group.tasks}
        return [[epoch[by_task[task]] for task in sorted(by_task)] for epoch in self.shares]

    def _shares(self, epoch: int) -> batching.Floats:
        names = self.stage.tasks
        alone = np.array([self.single_task_scores.get(name, np.nan) for name in names])
        latest = self.latest_scores
        latest_scores = np.array([latest[name] for name in names]) if latest else None
        shares = self.schedule.shares(epoch, alone, latest_scores)
        return self.schedule.mixer.shares if shares is None else shares

    def state_dict(self) -> dict[str, Any]:
        assert self.trainer is not None
        at = divmod(self.trainer.global_step, self.schedule.mixer.steps())
        return {"latest_scores": self.latest_scores, "shares": self.shares, "at": at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)

    def _loader(self, rows: MultiTaskDataset, batches: Any) -> DataLoader[Batch]:
        # A generator of its own: a loader that draws from the global one would change dropout.
        return DataLoader(
            rows,
            sampler=batches,
            batch_size=None,
            num_workers=self.config.num_workers,
            persistent_workers=False,
            generator=torch.Generator().manual_seed(0),
        )
