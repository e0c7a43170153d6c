"""The target's model with merged weights, and what it scores."""

from collections.abc import Sequence
from copy import copy

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.merge_rule import Weights
from tlbench.training import memory
from tlbench.training.best import BestPerTask
from tlbench.training.conditions import Conditions
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.held import WhileHeld
from tlbench.training.module import Evaluation, MultiTaskModule
from tlbench.training.train import is_compiled, make_trainer, without_notes


class ScoredModel:
    """The target's own model, whose encoder is given merged weights and scored.

    Args:
        run: of a stage whose first need is the target's.
        data: set up, the target's rows.
        kernels: what computes the features.
        devices: how many ranks score.

    Attributes:
        best: the evaluation of all splits, once there is one.
        conditions: under which it was made.
        out_of_memory: where a forward did not fit, as a training has it.
    """

    def __init__(
        self, run: StageContext, data: MultiTaskDataModule, kernels: Kernels, devices: int
    ) -> None:
        self.run, self.data, self.devices = run, data, devices
        self.best = BestPerTask(run, data.tokenizer)
        self.conditions = Conditions(run.stage.config)
        self.out_of_memory: list[dict[str, int]] = []
        self.model = _model(run, kernels)
        for kind, rows in zip(self.model.kinds, data.train, strict=True):
            kind.see_train(rows.used_labels)

    def score(self, weights: Weights, loggers: Sequence[Logger] | None) -> None:
        """Evaluate weights on all splits; keep what is found, and the weights if wanted."""
        held = [WhileHeld(self.run.claim)] if self.run.claim else []
        self._evaluate(weights, self.data.evaluated, loggers, [*held, self.best, self.conditions])

    def on_held_out(self, weights: Weights) -> float:
        """Return the score of weights on the rows that are held out of train."""
        held_out = [rows for rows in self.data.evaluated if rows.split == "held_out"]
        (evaluation,) = self._evaluate(weights, held_out, None, [])
        return evaluation.found["score"]

    def _evaluate(
        self,
        weights: Weights,
        splits: list[TokenizedSplit],
        loggers: Sequence[Logger] | None,
        callbacks: list[pl.Callback],
    ) -> list[Evaluation]:
        stage, data = self.run.stage, copy(self.data)
        data.evaluated = splits
        state = self.model.encoder.state_dict()
        self.model.encoder.load_state_dict({**state, **weights})
        module = MultiTaskModule(self.model, stage.config, splits, self.run.role, 0, frozenset())
        trainer = make_trainer(stage, 1, self.devices, loggers, callbacks)
        with without_notes(), memory.named():
            trainer.validate(module, datamodule=data, verbose=False)
        self.out_of_memory += module.out_of_memory
        return module.evaluations


def _model(run: StageContext, kernels: Kernels) -> MultiTaskModel:
    config, weights = run.stage.config, run.needed[0].weights
    assert weights is not None
    (task,) = (subset.task for subset in run.stage.subsets)
    encoder = load_encoder(config.encoder, weights)
    model = MultiTaskModel(encoder, [task], config.heads, config.encoder)
    model.use(kernels)
    model.load_head(task, weights / "heads.safetensors")
    if is_compiled(config.trainer, steps=0):
        model.encoder.compile()
    return model
