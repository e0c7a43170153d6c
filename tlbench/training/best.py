"""What a stage keeps: every task's best evaluation, and the weights that gave it; when it ends."""

import logging
import math
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tlbench.console import points
from tlbench.models.multitask import MultiTaskModel
from tlbench.store.integrity import checksum
from tlbench.tasks import scores
from tlbench.training.context import StageContext
from tlbench.training.module import Evaluation, MultiTaskModule

log = logging.getLogger(__name__)


@dataclass
class Best:
    """A task's best evaluation so far: after which step, and of each of its splits.

    Attributes:
        sums: checksums of the files of its weights, if they are kept.
    """

    score: float = -math.inf
    step: int = 0
    splits: dict[str, Evaluation] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)


class BestPerTask(pl.Callback):
    """Keeps every task's best evaluation, its weights if wanted, and stops early if asked.

    A training that has diverged is stopped at the evaluation that shows it.

    Attributes:
        best: by task name.
        diverged: why the training counts as diverged; None if it does not.
        history: every evaluation: step, and by task and split the metrics.
    """

    def __init__(self, run: StageContext, tokenizer: Any) -> None:
        config = run.stage.config
        self.best = {name: Best() for name in run.stage.tasks}
        self.history: list[dict[str, Any]] = []
        self.title = run.title
        self.folder = run.folder
        self.tokenizer = tokenizer
        self.weights_of = run.weights_of
        self.patience = config.trainer.early_stopping
        self.selecting = "held_out" if config.selection == "held_out" else "dev"
        self.diverged: str | None = None
        self._in_vain = 0
        self._in_checkpoint: set[Path] = set()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = self._is_over  # gone on with from a checkpoint at its last step

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        by_task: dict[str, dict[str, Evaluation]] = {name: {} for name in self.best}
        for rows, evaluation in zip(pl_module.evaluated, pl_module.evaluations, strict=True):
            by_task[rows.task.name][rows.split] = evaluation
        found = {
            task: {name: e.found for name, e in splits.items()} for task, splits in by_task.items()
        }
        trainer.datamodule.latest_scores = {  # type: ignore[attr-defined]
            task: splits[self.selecting]["score"] for task, splits in found.items()
        }
        improved = {
            task: self._new_best(trainer, pl_module.model, task, splits)
            for task, splits in by_task.items()
            if self._improves(task, splits)
        }
        # At once, for an interrupt may come at any moment: without it the evaluation is not over,
        # and is made again when the stage goes on.
        vars(self).update(
            best=self.best | improved,
            history=[*self.history, {"step": trainer.global_step, "tasks": found}],
            diverged=self.diverged or _why_diverged(trainer.global_step, pl_module),
            _in_vain=0 if improved else self._in_vain + 1,
        )
        self._say(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self._is_over
        if self.weights_of and trainer.is_global_zero:
            self._remove_old_weights()

    def has_evaluated(self, step: int) -> bool:
        """Whether the latest evaluation is that after ``step`` steps."""
        return bool(self.history) and self.history[-1]["step"] == step

    @property
    def _is_over(self) -> bool:
        in_vain = self.patience is not None and self._in_vain >= self.patience
        return in_vain or self.diverged is not None

    def state_dict(self) -> dict[str, Any]:
        self._in_checkpoint = {self._weights(name) for name in self.best}
        best = {name: asdict(best) for name, best in self.best.items()}
        return {
            "best": best,
            "history": self.history,
            "in_vain": self._in_vain,
            "diverged": self.diverged,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, best in state_dict["best"].items():
            splits = {split: Evaluation(**e) for split, e in best["splits"].items()}
            sums = best.get("sums", {})  # of a version before there were any
            self.best[name] = Best(best["score"], best["step"], splits, sums)
        self._in_checkpoint = {self._weights(name) for name in self.best}
        self.history = state_dict["history"]
        self._in_vain = state_dict["in_vain"]
        self.diverged = state_dict.get("diverged")

    def finish(self) -> None:
        """Put the best weights where the store expects them: ``weights/<task>``; drop others."""
        if self.weights_of:
            (self.folder / "weights").mkdir(exist_ok=True)
        for name in self.weights_of:
            target = self.folder / "weights" / name
            shutil.rmtree(target, ignore_errors=True)  # of a process that was killed right here
            self._weights(name).rename(target)
        shutil.rmtree(self.folder / "best", ignore_errors=True)

    def _weights(self, name: str) -> Path:
        """The folder of a task's best weights, of a step: a checkpoint may mean earlier ones."""
        return weights_folder(self.folder, name, self.best[name].step)

    def _new_best(
        self, trainer: pl.Trainer, model: MultiTaskModel, task: str, splits: dict[str, Evaluation]
    ) -> Best:
        score = splits[self.selecting].found["score"]
        # A first score that is not defined counts as the worst, so that there is a best.
        best = Best(-math.inf if math.isnan(score) else score, trainer.global_step, splits)
        if task in self.weights_of and trainer.is_global_zero:
            best.sums = self._save(model, task, weights_folder(self.folder, task, best.step))
        return best

    def _save(self, model: MultiTaskModel, name: str, folder: Path) -> dict[str, str]:
        """Encoder and tokenizer as ``save_pretrained`` writes them, and ``heads.safetensors``.

        Returns:
            The checksums of the files.
        """
        shutil.rmtree(folder, ignore_errors=True)  # of an evaluation that was cut off right here
        model.encoder.save_pretrained(folder)
        # Else its file would tell whether rows were tokenised just before, or in another run.
        self.tokenizer.backend_tokenizer.no_truncation()
        self.tokenizer.save_pretrained(folder)
        (task,) = (task for task in model.tasks if task.name == name)
        model.save_head(task, folder / "heads.safetensors")
        return {file.name: checksum(file) for file in sorted(folder.iterdir())}

    def _remove_old_weights(self) -> None:
        """Only now: until an evaluation is over an interrupt's checkpoint means the ones before."""
        wanted = {*self._in_checkpoint, *map(self._weights, self.best)}
        for old in (self.folder / "best").glob("*"):
            if old not in wanted:
                shutil.rmtree(old)

    def _improves(self, task: str, splits: dict[str, Evaluation]) -> bool:
        best = self.best[task]
        return not best.splits or splits[self.selecting].found["score"] > best.score

    def _say(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        by_task = [
            f"{task} {points(splits[self.selecting]['score'])}"
            for task, splits in self.history[-1]["tasks"].items()
        ]
        log.info(
            "  %s: step %d/%d  %s",
            self.title,
            trainer.global_step,
            module.total_steps,
            "  ".join(by_task),
        )
        if self.diverged is not None:
            log.warning("  %s has diverged: %s", self.title, self.diverged)


def _why_diverged(step: int, module: MultiTaskModule) -> str | None:
    for rows, e in zip(module.evaluated, module.evaluations, strict=True):
        if scores.diverged(rows.task, e.logits, e.labels):
            return (
                f"after step {step} of {module.total_steps} the loss on {rows.task.name} was not "
                f"finite, or {scores.EXPLODED} times that of knowing nothing; lower optim.lr"
            )
    return None


def weights_folder(folder: Path, task: str, step: int) -> Path:
    """Where in a work folder the weights that were best for a task after ``step`` steps are."""
    return folder / "best" / f"{task}-{step}"
