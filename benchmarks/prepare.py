"""From a case to tlbench's stage, and to the same work for the peers."""

from dataclasses import replace
from fractions import Fraction

import hydra

from benchmarks.bare_loop import Row, Settings
from benchmarks.workload import Case, Work
from tlbench.config.search_path import CONF_DIR
from tlbench.plan.build import build
from tlbench.plan.encoder_files import locate
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.kinds import kind_of
from tlbench.training.datamodule import MultiTaskDataModule


def stage(case: Case, *overrides: str) -> TrainStage:
    """Return the stage of a case, on a draw of its rows: the same fraction of each task's.

    Raises:
        UserError: if an override is wrong, or a file is missing.
    """
    counts = [subset.count for subset in _stage(case, "1/1", *overrides).subsets]
    # At least one row of the smallest task.
    share = min(Fraction(1), max(Fraction(case.rows, sum(counts)), Fraction(1, min(counts))))
    # As "1/1" and not "1", which would be a count of rows.
    return _stage(case, f"{share.numerator}/{share.denominator}", *overrides)


def prepare(case: Case, steps: int) -> Case:
    """Tokenise the rows, and write the peers' ``Work`` into the case's folder.

    Args:
        case: without its numbers of steps.
        steps: to count, about: whole epochs, and at least one.

    Returns:
        The case with its steps.
    """
    planned = stage(case)
    epoch = -(-sum(subset.count for subset in planned.subsets) // case.batch_size)
    case = replace(case, warmup=epoch, steps=max(1, round(steps / epoch)) * epoch)
    _work(case, planned).write(case.folder)
    return case


def _work(case: Case, planned: TrainStage) -> Work:
    data = MultiTaskDataModule(planned)
    data.setup()
    encoder = planned.config.encoder
    return Work(
        rows=_rows(data),
        available=sum(subset.rows["train"] for subset in planned.subsets),
        outputs=[kind_of(subset.task).outputs for subset in planned.subsets],
        encoder=locate(encoder.name),
        pretrained=encoder.pretrained,
        pad=data.tokenizer.pad_token_id,
        max_length=case.max_length,
        settings=settings(case, planned),
    )


def settings(case: Case, planned: TrainStage) -> Settings:
    """Return the hyper-parameters of a case, as the bare loop takes them."""
    optim = planned.config.optim
    assert optim.gradient_clip is not None
    return Settings(
        steps=case.all_steps,
        batch_size=case.batch_size,
        lr=optim.lr,
        weight_decay=optim.weight_decay,
        warmup=optim.warmup,
        seed=case.seed,
        device=case.device,
        workers=case.workers,
        clip=optim.gradient_clip,
    )


def _rows(data: MultiTaskDataModule) -> list[Row]:
    names = data.tokenizer.model_input_names
    return [
        Row({name: row[name] for name in names if name in row}, task, row["label"])
        for task, of_task in enumerate(data.train)
        for row in of_task.tokens.select(of_task.used.tolist())
    ]


def _stage(case: Case, size: str, *overrides: str) -> TrainStage:
    target, *supports = case.tasks
    together = ["strategy=mtl_all", f"strategy.tasks=[{','.join(case.tasks)}]"]
    composed = [
        *(together if supports else ["strategy=single"]),
        f"target_task={target}",
        f"subsample_size={{target: {size}, support: {size}, dev: 32, seed: {case.seed}}}",
        f"encoder.max_length={case.max_length}",
        f"batch_size={case.batch_size}",
        f"seed={case.seed}",
        f"num_workers={case.workers}",
        # Steps alone end the training, so that all contenders train as many.
        "trainer.max_epochs=100000",
        f"trainer.max_steps={case.all_steps or 1}",
        f"trainer.accelerator={'gpu' if case.device == 'cuda' else case.device}",
        f"trainer.precision={'bf16-mixed' if case.precision == 'bf16' else '32-true'}",
        "trainer.progress_bar=false",
        "eval_every=100000",  # evaluate once, after the last step, when the clock has stopped
        *case.overrides,
        *overrides,
    ]
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        stage = build(hydra.compose("config", overrides=composed)).plan()[-1]
    assert isinstance(stage, TrainStage)
    return stage
