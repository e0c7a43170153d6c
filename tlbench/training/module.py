"""The LightningModule: one optimizer step a batch, and the scores of every task."""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from tlbench.config.schema import Config
from tlbench.data.batch import Batch
from tlbench.data.micro_batches import rows_of_forward
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.models.multitask import MultiTaskModel
from tlbench.tasks import ragged, scores
from tlbench.tasks.base import with_threshold
from tlbench.training.balance import Balance
from tlbench.training.memory import Forwards
from tlbench.training.optimization import StartWeights, make_optimizer, make_schedule
from tlbench.training.task_losses import TaskLosses

Seen = tuple[Tensor, Tensor]  # of a batch: ids, logits


@dataclass
class Evaluation:
    """What one evaluation of one split found; tensors on the CPU, sorted by row number.

    Attributes:
        found: the metrics and ``score``.
        ids: (rows,).
        labels: (rows, ...), in float64.
        logits: (rows, outputs), or of words (rows, words, outputs).
        threshold: that held-out rows have chosen, if they are to, and that this is scored with.
        groups: by name which rows are in each group of the task, (rows,).
    """

    found: dict[str, float]
    ids: Tensor
    labels: Tensor
    logits: Tensor
    threshold: float | None = None
    groups: dict[str, Tensor] = field(default_factory=dict)


class MultiTaskModule(LightningModule):
    """Trains a ``MultiTaskModel``; after every evaluation ``evaluations`` holds what it found.

    Args:
        evaluated: the splits behind the evaluation loaders, in their order.
        role: ``support`` or ``target``, the first word of what is logged.
        total_steps: optimizer steps, for the schedule.
        eval_steps: after which of them to evaluate.
    """

    # Lightning asks at every batch whether (batch + 1) is a multiple of this number.
    _NEVER, _NOW = 2**31, 1

    def __init__(
        self,
        model: MultiTaskModel,
        config: Config,
        evaluated: Sequence[TokenizedSplit],
        role: str,
        total_steps: int,
        eval_steps: Collection[int],
    ) -> None:
        super().__init__()
        # Manual, so that micro-batches weigh their rows by the whole batch's task counts.
        self.automatic_optimization = False
        self.model = model
        self.config = config
        self.evaluated = evaluated
        self.role = role
        self.total_steps = total_steps
        self.eval_steps = eval_steps
        self.evaluations: list[Evaluation] = []
        self.task_losses = TaskLosses(len(model.tasks))
        self.balance = Balance(self)
        self.start_weights = StartWeights(model.encoder, config.optim.l2_sp)
        self.passes = 0
        self._seen: list[list[Seen]] = []
        self.instances = 0
        may_halve = config.trainer.out_of_memory == "halve"
        rows = rows_of_forward(config)
        self.training_forwards = Forwards("micro_batch_size", rows, may_halve)
        self.evaluation_forwards = Forwards("eval_batch_size", config.eval_batch_size, may_halve)
        self.seconds = 0.0  # trained before this process took over
        self._began = time.monotonic()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        due = self.global_step + 1 in self.eval_steps
        self.trainer.val_check_batch = self._NOW if due else self._NEVER

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        optimizer = self.optimizers()
        if self.model.discriminator is not None:
            self.model.discriminator.proceed(self.global_step / self.total_steps)
        backward = partial(self._backward, batch)
        total, by_task = self.training_forwards.run(
            backward, self.global_step, self.trainer.world_size
        )
        self.task_losses.add(by_task)
        self.balance.after_step(batch, by_task)
        if (self.global_step + 1) % self.trainer.num_training_batches == 0:
            self._end_epoch()  # here, as a checkpoint is written before Lightning says so
        optimizer.step()  # type: ignore[union-attr]
        optimizer.zero_grad()  # type: ignore[union-attr]  # evaluations need its memory
        schedule = self.lr_schedulers()
        self.log(f"{self.role}/lr", schedule.get_last_lr()[0])  # type: ignore[union-attr]
        schedule.step()  # type: ignore[union-attr]
        self.instances += batch.rows
        self.passes += batch.encoded * self.balance.passes_a_row
        self.log(f"{self.role}/loss", total, prog_bar=True, sync_dist=True)
        if self.global_step % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            weights = self.balance.weights()
            self.log_dict({f"{self.role}/{name}": weight for name, weight in weights.items()})
            self.log_dict(self._train_losses())
        if batch_idx == 0 and len(self.model.tasks) > 1:
            self._log_shares()

    def _backward(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Make the gradients of a batch, from none.

        Returns:
            The batch's loss, a scalar, and the losses of the rows of every task, each (rows,).
        """
        self.optimizers().zero_grad()  # type: ignore[union-attr]
        return self.balance.backward(batch)

    def _train_losses(self) -> dict[str, float]:
        """Return the mean loss of each task's rows since the step that was logged before."""
        means = self.task_losses.take(self.trainer.strategy)
        by_task = zip(self.model.tasks, means, strict=True)
        return {
            f"{self.role}/{task.name}/train/loss": mean
            for task, mean in by_task
            if math.isfinite(mean)
        }

    def _end_epoch(self) -> None:
        means = {f"{self.role}/{name}": mean for name, mean in self.balance.after_epoch().items()}
        for logger in self.loggers if means else ():
            logger.log_metrics(means, step=self.global_step)

    def _log_shares(self) -> None:
        """Log what part of the epoch each task gets."""
        shares = self.trainer.datamodule.shares_of_tasks()[-1]  # type: ignore[attr-defined]
        by_task = zip(self.model.tasks, shares, strict=True)
        named = {f"{self.role}/{task.name}/share": share for task, share in by_task}
        for logger in self.loggers:
            logger.log_metrics(named, step=self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["instances"] = self.instances
        checkpoint["passes"] = self.passes
        checkpoint["balance"] = self.balance.state_dict()
        checkpoint["halved"] = [one.halved for one in self._forwards]
        checkpoint["seconds"] = self.seconds + time.monotonic() - self._began

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.instances = checkpoint["instances"]
        self.passes = checkpoint.get("passes", self.instances)  # of a version without
        self.balance.load_state_dict(checkpoint.get("balance", {}))
        self.seconds = checkpoint["seconds"]
        for forwards, halved in zip(self._forwards, checkpoint.get("halved", ()), strict=False):
            forwards.resume(halved)

    @property
    def _forwards(self) -> tuple[Forwards, Forwards]:
        return self.training_forwards, self.evaluation_forwards

    @property
    def out_of_memory(self) -> list[dict[str, int]]:
        """At which step a device was out of memory, and how many rows a forward takes since."""
        return [halved for one in self._forwards for halved in one.halved]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Here and not after backward: by now 16-bit gradients have been unscaled.
        self.start_weights.pull()
        if self.config.optim.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.parameters(), self.config.optim.gradient_clip)

    def on_validation_epoch_start(self) -> None:
        self._seen = [[] for _ in self.evaluated]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        names = [task.name for task in self.model.tasks]
        at = names.index(self.evaluated[dataloader_idx].task.name)
        logits = self.evaluation_forwards.run(partial(self._logits, batch, at), self.global_step)
        self._seen[dataloader_idx].append((batch.ids, logits))

    def _logits(self, batch: Batch, at: int) -> Tensor:
        """Return the logits of a batch of the task at that place, (rows, ..., outputs)."""
        counts = [0] * len(self.model.tasks)
        no_words, no_labels = batch.ids.new_empty(0, 0), batch.weights.new_empty(0, 0)
        found = []
        for piece in self.evaluation_forwards.pieces(batch):
            counts[at] = len(piece.ids)
            words = [no_words] * len(counts)
            words[at : at + len(piece.words)] = piece.words
            labels = [no_labels] * len(counts)
            labels[at] = piece.labels[0]
            logits = self.model(piece.inputs, counts, piece.lengths, words, labels=labels)
            found.append(logits[at].float())
        return torch.cat(found)

    def on_validation_epoch_end(self) -> None:
        seen = self._of_all_ranks()
        self.evaluations = []
        thresholds: dict[str, float | None] = {}
        for rows, of_split in zip(self.evaluated, seen, strict=True):  # held-out rows come first
            evaluation = self._evaluate(rows, of_split, thresholds.get(rows.task.name))
            thresholds[rows.task.name] = evaluation.threshold
            self.evaluations.append(evaluation)
        self._seen = []
        logged = {
            f"{self.role}/{rows.task.name}/{rows.split}/{metric}": value
            for rows, evaluation in zip(self.evaluated, self.evaluations, strict=True)
            for metric, value in evaluation.found.items()
            if not math.isnan(value)
        }
        if self.loggers:
            logged |= self._dev_losses()
        self.log_dict(logged)

    def _dev_losses(self) -> dict[str, float]:
        """Return the mean loss of the rows of every split that was evaluated, if it is finite."""
        kinds = dict(zip((task.name for task in self.model.tasks), self.model.kinds, strict=True))
        means = {}
        for rows, evaluation in zip(self.evaluated, self.evaluations, strict=True):
            # The model's kinds have seen train; the weights of its classes are not of other labels.
            kind = rows.kind if rows.kind.merges else kinds[rows.task.name]
            mean = kind.mean_loss(evaluation.logits, evaluation.labels)
            means[f"{self.role}/{rows.task.name}/{rows.split}/loss"] = mean
        return {name: mean for name, mean in means.items() if math.isfinite(mean)}

    def _of_all_ranks(self) -> list[list[Seen]]:
        """By loader, what all the ranks have seen, on the CPU."""
        mine = [[_on_cpu(batch) for batch in of_loader] for of_loader in self._seen]
        if self.trainer.world_size == 1:
            return mine
        ranks: list[list[list[Seen]]] = [[]] * self.trainer.world_size
        torch.distributed.all_gather_object(ranks, mine)
        return [list(chain(*of_loader)) for of_loader in zip(*ranks, strict=True)]

    def _evaluate(
        self, rows: TokenizedSplit, seen: list[Seen], threshold: float | None
    ) -> Evaluation:
        """Return what was found of a split; its rows choose the threshold if they are held out."""
        kind = rows.kind
        width = rows.labels.shape[1] if kind.reads_places else None
        ids = torch.cat([of_batch for of_batch, _ in seen])
        logits = torch.cat([ragged.widened(of_batch, width) for _, of_batch in seen])
        # Of several ranks two may have seen the same batch.
        order = torch.from_numpy(np.unique(ids.numpy(), return_index=True)[1])
        ids, logits = ids[order], logits[order]
        # As they are, and not the batch's, which devices and precisions round.
        labels = torch.from_numpy(rows.labels[ids.numpy()])
        if rows.split == "held_out":
            threshold = kind.chosen_threshold(logits, labels)
        # All rows that are used are evaluated, and both are sorted by their numbers.
        groups = {name: torch.from_numpy(of) for name, of in rows.groups.items()}
        found = scores.evaluate(with_threshold(rows.task, threshold), logits, labels, groups)
        return Evaluation(found, ids, labels, logits, threshold, groups)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.config.optim, self.parameters())
        schedule = make_schedule(self.config.optim, optimizer, self.total_steps)
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def _on_cpu(batch: Seen) -> Seen:
    ids, logits = (tensor.cpu() for tensor in batch)
    return ids, logits
