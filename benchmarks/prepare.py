"""From a case to tlbench's stage, and to the same work for the peers."""

from dataclasses import replace
from fractions import Fraction

import hydra

from benchmarks.bare_loop import Row, Settings
from benchmarks.workload import Case, Work
from tlbench.config.search_path import CONF_DIR
from tlbench.plan.build import build
from tlbench.plan.encoder_files import locate
from tlbench.plan.stage import TrainStage
from tlbench.tasks.kinds import kind_of
from tlbench.training.datamodule import MultiTaskDataModule


def stage(case: Case, *overrides: str) -> TrainStage:
    """The stage of a case, on a draw of its rows: each task gives the same part of what it has.

    Raises:
        UserError: for what is wrong in the overrides, or if a file is not there.
    """
    counts = [subset.count for subset in _stage(case, "1/1", *overrides).subsets]
    # At least one row of the smallest task.
    part = min(Fraction(1), max(Fraction(case.rows, sum(counts)), Fraction(1, min(counts))))
    # Written out, for 1 alone would be a count.
    return _stage(case, f"{part.numerator}/{part.denominator}", *overrides)


def prepare(case: Case, steps: int) -> Case:
    """Tokenise the rows, and write the peers' ``Work`` into the case's folder.

    Args:
        steps: how many to count, about: whole epochs, and at least one.

    Returns:
        The case with its steps.
    """
    planned = stage(case)
    epoch = -(-sum(subset.count for subset in planned.subsets) // case.batch_size)
    case = replace(case, warmup=epoch, steps=max(1, round(steps / epoch)) * epoch)
    data = MultiTaskDataModule(planned)
    data.setup()
    encoder = planned.config.encoder
    Work(
        rows=_rows(data),
        available=sum(subset.rows["train"] for subset in planned.subsets),
        outputs=[kind_of(subset.task).outputs for subset in planned.subsets],
        encoder=locate(encoder.name),
        pretrained=encoder.pretrained,
        pad=data.tokenizer.pad_token_id,
        max_length=case.max_length,
        settings=settings(case, planned),
    ).write(case.folder)
    return case


def settings(case: Case, planned: TrainStage) -> Settings:
    """The hyper-parameters of a case, as the bare loop takes them."""
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


def _stage(case: Case, part: str, *overrides: str) -> TrainStage:
    first, *others = case.tasks
    several = ["strategy=mtl_all", f"strategy.tasks=[{','.join(case.tasks)}]"]
    composed = [
        *(several if others else ["strategy=single"]),
        f"target_task={first}",
        f"subsample_size={{target: {part}, support: {part}, dev: 32, seed: {case.seed}}}",
        f"encoder.max_length={case.max_length}",
        f"batch_size={case.batch_size}",
        f"seed={case.seed}",
        f"num_workers={case.workers}",
        "trainer.max_epochs=100000",
        f"trainer.max_steps={case.all_steps or 1}",
        f"trainer.accelerator={'gpu' if case.device == 'cuda' else case.device}",
        "trainer.precision=bf16-mixed",
        "trainer.progress_bar=false",
        "eval_every=100000",  # once, after the last step, when the clock has stopped
        *case.overrides,
        *overrides,
    ]
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        stage = build(hydra.compose("config", overrides=composed)).plan()[-1]
    assert isinstance(stage, TrainStage)
    return stage
