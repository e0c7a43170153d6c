"""Makes the stage that is a merge: merges finished encoders, and scores the target on the result.

Weights are merged on the CPU, whatever scores them, so that the device changes none of their bits.
Of several devices each merges for itself, and scores its part of the rows.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_lightning.loggers import Logger

from tlbench.errors import UserError
from tlbench.merging.held_out import best_alternative
from tlbench.merging.models import merged_models, start_weights
from tlbench.merging.scored import ScoredModel
from tlbench.models.features import Kernels
from tlbench.plan import encoder_files
from tlbench.plan.merge_rule import MergedModel, Weights, held_out_options, make_rule
from tlbench.progress import doing
from tlbench.training import ddp, predictions
from tlbench.training.conditions import using_threads
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.train import choose_kernels


def merge_stage(run: StageContext, loggers: Sequence[Logger] | None) -> dict[str, Any]:
    """Merge finished stages; write predictions and wanted weights into its folder.

    Returns:
        What ``stage.json`` holds beside the stage's fingerprint, as of a training; and
        ``held_out``, what held-out rows have chosen: ``{"chosen": {...}, "scores": [...]}``.

    Raises:
        UserError: if the encoders can't be merged, or the devices that are asked for are not there.
    """
    began = time.time()
    config = run.stage.config
    encoder_files.check_unchanged(config.encoder)
    devices = ddp.count_devices(config.trainer)
    with doing("trying the encoder"):
        kernels = choose_kernels(run.stage)
    data = MultiTaskDataModule(run.stage)
    data.setup()  # before there are other ranks, which then find the rows tokenised
    threads = using_threads(config.trainer.threads)
    with ddp.others(devices, _merge_as_other, run, kernels, devices), threads:
        scored, held_out = _merge(run, kernels, data, loggers, devices)
    best = scored.best
    best.finish()
    (task,) = scored.model.tasks
    fit = None if best.cross_fits is None else best.cross_fits[task.name]
    predictions.write_predictions(run.folder, task, best.best[task.name].splits, fit)
    entry = predictions.task_entry(data, task, best) | {"train_rows": 0}  # it has trained on none
    return {
        "tasks": {task.name: entry},
        "diverged": best.diverged,
        "history": best.history,
        "held_out": held_out,
        "seconds": round(time.time() - began, 2),
        **scored.conditions.entry(),
        "out_of_memory": scored.out_of_memory,
        "kernels": kernels.features,
        "weights": sorted(run.weights_of),
        "selections": best.selections,
    }


def _merge_as_other(run: StageContext, kernels: Kernels, devices: int) -> None:
    """What the ranks beside the first do: the same, and write nothing."""
    with using_threads(run.stage.config.trainer.threads):
        data = MultiTaskDataModule(run.stage)
        data.setup()
        _merge(run, kernels, data, None, devices)


def _merge(
    run: StageContext,
    kernels: Kernels,
    data: MultiTaskDataModule,
    loggers: Sequence[Logger] | None,
    devices: int,
) -> tuple[ScoredModel, dict[str, Any] | None]:
    """Merge and score, as one of the ranks; return also what held-out rows have chosen."""
    config = run.stage.config
    start, models = start_weights(config), merged_models(config, run.needed)
    scored = ScoredModel(run, data, kernels, devices)
    merging, held_out = config.merging, None
    if held_out_options(merging):
        merging, held_out = best_alternative(
            merging, lambda one: scored.on_held_out(merged(one, models, start)), run.title
        )
    scored.score(merged(merging, models, start), loggers)
    return scored, held_out


def merged(config: Mapping[str, Any], models: Sequence[MergedModel], start: Weights) -> Weights:
    """Return what the rule of a config makes of models.

    Raises:
        UserError: if that are not the weights of an encoder.
    """
    with doing("merging"):
        weights = make_rule(config).merge(models, start)
    shapes = {name: value.shape for name, value in weights.items()}
    if shapes != (expected := {name: value.shape for name, value in start.items()}):
        names = sorted(name for name, _ in shapes.items() ^ expected.items())
        raise UserError(
            f"Change merging._target_, or the class: {config['_target_']} returns other weights "
            f"than the encoder has: {', '.join(names[:3])}."
        )
    return weights
