"""Every task's best evaluation and its weights; cross-fitted scores; early stopping; divergence."""

import logging
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tlbench import progress
from tlbench.console import points
from tlbench.models.multitask import MultiTaskModel
from tlbench.tasks import scores
from tlbench.training import cross_fits
from tlbench.training.best_weights import (
    move_to_store_layout,
    remove_others,
    save_weights,
    weights_folder,
)
from tlbench.training.context import StageContext
from tlbench.training.module import Evaluation, MultiTaskModule
from tlbench.training.selection import improves, ranked

log = logging.getLogger(__name__)


@dataclass
class Best:
    """A task's best evaluation so far.

    Attributes:
        score: of the split that selects; -inf if it is undefined.
        step: after which step.
        splits: the evaluation of each of the task's splits.
        sums: checksums of the files of its weights, by name, if they are kept.
    """

    score: float = -math.inf
    step: int = 0
    splits: dict[str, Evaluation] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)


class BestPerTask(pl.Callback):
    """Keeps every task's best evaluation and, if wanted, its weights; ends the training early.

    It ends after ``trainer.early_stopping`` evaluations in which no task has improved (its
    patience), and at the evaluation that shows a divergence.

    Attributes:
        best: by task name.
        diverged: why the training counts as diverged; None if it does not.
        history: every evaluation: step, and by task and split the metrics.
        selecting: the split by which the best is chosen.
        cross_fits: the cross-fitted selections, as ``tlbench.training.cross_fits`` has them.
    """

    def __init__(self, context: StageContext, tokenizer: Any) -> None:
        config = context.stage.config
        self.best = {name: Best() for name in context.stage.tasks}
        self.history: list[dict[str, Any]] = []
        self.title = context.title
        self.folder = context.folder
        self.tokenizer = tokenizer
        self.weights_of = context.weights_of
        self.patience = config.trainer.early_stopping
        self.selecting = "held_out" if config.selection == "held_out" else "dev"
        self.stage = context.stage
        self.cross_fits = cross_fits.begin(context.stage)
        self.diverged: str | None = None
        self._wait_count = 0  # evaluations since any task has improved
        self._in_checkpoint: set[Path] = set()  # folders that the last checkpoint refers to

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # A checkpoint may be of the stage's last step: then there is nothing left to train.
        trainer.should_stop = self._is_over

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        by_task = self._evaluations_by_task(pl_module)
        # Dynamic sampling makes the next epoch's shares of these.
        trainer.datamodule.latest_scores = {  # type: ignore[attr-defined]
            task: splits[self.selecting].found["score"] for task, splits in by_task.items()
        }
        improved = {
            task: self._new_best(trainer, pl_module.model, task, splits)
            for task, splits in by_task.items()
            if self._improves(task, splits)
        }
        # In one call, as an interrupt may come between any two: without all of these the evaluation
        # counts as unfinished, and is repeated when the stage is resumed.
        vars(self).update(
            best=self.best | improved,
            cross_fits=cross_fits.after(self.cross_fits, trainer.global_step, self.stage, by_task),
            history=[*self.history, _history_entry(trainer.global_step, by_task)],
            diverged=self.diverged or _why_diverged(trainer.global_step, pl_module),
            _wait_count=0 if improved else self._wait_count + 1,
        )
        self._log(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self._is_over
        if self.weights_of and trainer.is_global_zero:
            # Not before: a checkpoint written in an interrupted evaluation refers to the old ones.
            remove_others(self.folder, {*self._in_checkpoint, *map(self._weights, self.best)})

    def _evaluations_by_task(self, module: MultiTaskModule) -> dict[str, dict[str, Evaluation]]:
        by_task: dict[str, dict[str, Evaluation]] = {name: {} for name in self.best}
        for split, evaluation in zip(module.evaluated, module.evaluations, strict=True):
            by_task[split.task.name][split.split] = evaluation
        return by_task

    @property
    def selections(self) -> list[str]:
        """The words of ``selection`` under which the stage has scores."""
        return [self.selecting, *([] if self.cross_fits is None else ["cross_fit"])]

    def has_evaluated(self, step: int) -> bool:
        """Return whether the latest evaluation is that after ``step`` steps."""
        return bool(self.history) and self.history[-1]["step"] == step

    @property
    def _is_over(self) -> bool:
        out_of_patience = self.patience is not None and self._wait_count >= self.patience
        return out_of_patience or self.diverged is not None

    def state_dict(self) -> dict[str, Any]:
        self._in_checkpoint = {self._weights(name) for name in self.best}
        best = {name: asdict(best) for name, best in self.best.items()}
        return {
            "best": best,
            "cross_fits": cross_fits.state_of(self.cross_fits),
            "history": self.history,
            "in_vain": self._wait_count,
            "diverged": self.diverged,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, best in state_dict["best"].items():
            splits = {split: Evaluation(**e) for split, e in best["splits"].items()}
            sums = best.get("sums", {})  # of a version before there were any
            self.best[name] = Best(best["score"], best["step"], splits, sums)
        self._in_checkpoint = {self._weights(name) for name in self.best}
        self.cross_fits = cross_fits.from_state(self.stage, state_dict)
        self.history = state_dict["history"]
        self._wait_count = state_dict["in_vain"]
        self.diverged = state_dict.get("diverged")

    def finish(self) -> None:
        """Put the best weights where the store expects them: ``weights/<task>``; remove others."""
        move_to_store_layout(self.folder, {name: self._weights(name) for name in self.weights_of})

    def _weights(self, name: str) -> Path:
        """Return the folder of a task's best weights."""
        return weights_folder(self.folder, name, self.best[name].step)

    def _improves(self, task: str, splits: dict[str, Evaluation]) -> bool:
        best = self.best[task]
        score = splits[self.selecting].found["score"]
        return improves(score, best.score if best.splits else None)

    def _new_best(
        self, trainer: pl.Trainer, model: MultiTaskModel, task: str, splits: dict[str, Evaluation]
    ) -> Best:
        score = ranked(splits[self.selecting].found["score"])
        best = Best(score, trainer.global_step, splits)
        if task in self.weights_of and trainer.is_global_zero:
            folder = weights_folder(self.folder, task, best.step)
            best.sums = save_weights(model, self.tokenizer, task, folder)
        return best

    def _log(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        by_task = [
            f"{task} {points(splits[self.selecting]['score'])}"
            for task, splits in self.history[-1]["tasks"].items()
        ]
        progress.note(score=", ".join(by_task))
        step = f"step {trainer.global_step}/{module.total_steps}  " if module.total_steps else ""
        log.info("  %s: %s%s", self.title, step, "  ".join(by_task))
        if self.diverged is not None:
            log.warning("  %s has diverged: %s", self.title, self.diverged)


def _history_entry(step: int, by_task: dict[str, dict[str, Evaluation]]) -> dict[str, Any]:
    metrics_by_task = {
        task: {split: evaluation.found for split, evaluation in splits.items()}
        for task, splits in by_task.items()
    }
    return {"step": step, "tasks": metrics_by_task}


def _why_diverged(step: int, module: MultiTaskModule) -> str | None:
    """Return a sentence if an evaluation shows that the training has diverged; else None."""
    when, lower = f"after step {step} of {module.total_steps} ", "optim.lr"
    if not module.total_steps:  # it is merged
        when, lower = "", "the scale of merging, or take another rule"
    for rows, e in zip(module.evaluated, module.evaluations, strict=True):
        if scores.diverged(rows.task, e.logits, e.labels):
            return (
                f"{when}the loss on {rows.task.name} was not finite, or {scores.EXPLODED} times "
                f"that at chance level; lower {lower}"
            )
    return None
