"""What a stage keeps: every task's best evaluation, and the weights that gave it."""

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tlbench.model.module import Evaluation, MultiTaskModule
from tlbench.model.multitask import MultiTaskModel
from tlbench.stage import Stage

log = logging.getLogger(__name__)


@dataclass
class Best:
    """A task's best evaluation so far: at which step, and of each of its splits."""

    score: float = -math.inf
    step: int = 0
    splits: dict[str, Evaluation] = field(default_factory=dict)


class BestPerTask(pl.Callback):
    """Keeps every task's best evaluation, its weights if wanted, and stops early if asked.

    Attributes:
        best: by task name.
        history: every evaluation: step, and by task and split the metrics.
    """

    def __init__(self, stage: Stage, folder: Path, tokenizer: Any, needed: bool) -> None:
        self.best = {name: Best() for name in stage.tasks}
        self.history: list[dict[str, Any]] = []
        self.folder = folder
        self.tokenizer = tokenizer
        keep = stage.config.keep_weights
        wanted = keep == "all" or (keep == "needed" and stage.may_start_another)
        self.keeps_weights = wanted or needed
        self.patience = stage.config.trainer.early_stopping
        self.selecting = "held_out" if stage.config.selection == "held_out" else "dev"
        self._in_vain = 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        by_task: dict[str, dict[str, Evaluation]] = {name: {} for name in self.best}
        for rows, evaluation in zip(pl_module.evaluated, pl_module.evaluations, strict=True):
            by_task[rows.task.name][rows.split] = evaluation
        found = {
            task: {name: e.found for name, e in splits.items()} for task, splits in by_task.items()
        }
        self.history.append({"step": trainer.global_step, "tasks": found})
        improved = [task for task, splits in by_task.items() if self._improves(task, splits)]
        for task in improved:
            score = by_task[task][self.selecting].found["score"]
            # A first score that is not defined counts as the worst, so that there is a best.
            score = -math.inf if math.isnan(score) else score
            self.best[task] = Best(score, trainer.global_step, by_task[task])
            if self.keeps_weights:
                self._save(pl_module.model, task)
        self._in_vain = 0 if improved else self._in_vain + 1
        if self.patience and self._in_vain >= self.patience:
            trainer.should_stop = True
        self._say(trainer, pl_module)

    def _save(self, model: MultiTaskModel, name: str) -> None:
        """Encoder and tokenizer as ``save_pretrained`` writes them, and ``heads.safetensors``."""
        folder = self.folder / "weights" / name
        model.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (task,) = (task for task in model.tasks if task.name == name)
        model.save_head(task, folder / "heads.safetensors")

    def _improves(self, task: str, splits: dict[str, Evaluation]) -> bool:
        best = self.best[task]
        return not best.splits or splits[self.selecting].found["score"] > best.score

    def _say(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        scores = [
            f"{task} {100 * splits[self.selecting]['score']:.1f}"
            for task, splits in self.history[-1]["tasks"].items()
        ]
        log.info(
            "  %s step %d/%d  %s",
            module.role, trainer.global_step, module.total_steps, "  ".join(scores),
        )  # fmt: skip
