"""Evaluates weights that a stage has kept, outside of a training."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytorch_lightning as pl

from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan import encoder_files
from tlbench.training import ddp, memory
from tlbench.training.conditions import using_threads
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.held import WhileHeld
from tlbench.training.module import Evaluation, MultiTaskModule
from tlbench.training.train import choose_kernels, is_compiled, make_trainer, without_notes

MakeData = Callable[[], MultiTaskDataModule]  # of one split of one task; of a module, as pickled


def evaluate_weights(
    run: StageContext, weights: Path, make_data: MakeData
) -> tuple[MultiTaskDataModule, Evaluation]:
    """Return the rows and what weights say of them, on all devices of the stage.

    Args:
        run: of a stage with the encoder and the devices.
        weights: the folder of the best weights of the task, with its head.
        make_data: gives the rows, in every process.

    Raises:
        UserError: if the devices that are asked for are not there.
    """
    config = run.stage.config
    encoder_files.check_unchanged(config.encoder)
    devices = ddp.count_devices(config.trainer)
    kernels = choose_kernels(run.stage)
    evaluate = partial(_evaluate, run, weights, make_data, kernels, devices)
    # Before there are other ranks, which then find the rows tokenised.
    make_data().setup()
    with ddp.others(devices, evaluate):
        return evaluate()


def _evaluate(
    run: StageContext, weights: Path, make_data: MakeData, kernels: Kernels, devices: int
) -> tuple[MultiTaskDataModule, Evaluation]:
    """Evaluate the rows, as one of the ranks; return them and what was found."""
    config, data = run.stage.config, make_data()
    data.setup()
    (rows,) = data.evaluated
    encoder = load_encoder(config.encoder, weights)
    model = MultiTaskModel(encoder, [rows.task], config.heads, config.encoder)
    model.use(kernels)
    model.load_head(rows.task, weights / "heads.safetensors")
    if is_compiled(config.trainer, steps=0):
        model.encoder.compile()
    module = MultiTaskModule(model, config, data.evaluated, run.role, 1, frozenset())
    held: list[pl.Callback] = [WhileHeld(run.claim)] if run.claim else []
    trainer = make_trainer(run.stage, 1, devices, None, held)
    with using_threads(config.trainer.threads), without_notes(), memory.named():
        trainer.validate(module, datamodule=data, verbose=False)
    (evaluation,) = module.evaluations
    return data, evaluation
