"""What the rows of an experiment are, at length, before anything is trained."""

from collections.abc import Sequence

from tlbench.console import say
from tlbench.data.overview import MOST_NAMED, lines, warnings
from tlbench.plan.experiment import Experiment
from tlbench.plan.missing import is_there
from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.plan.stage import Stage
from tlbench.plan.train_stage import TrainStage
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.look import seen_of
from tlbench.training.pseudo_labels import unlabelled_rows


def say_data(experiment: Experiment, stages: Sequence[Stage]) -> int | None:
    """Print what the rows of every task and split are, and which of the target's leak.

    Returns:
        The tokens of the longest row that is trained; None if none is, or some are not written.
    """
    unknown = False
    said: set[str] = set()
    longest: list[int] = []
    for stage in stages:
        if not isinstance(stage, TrainStage):
            continue
        data = MultiTaskDataModule(stage)
        for subset in stage.subsets:
            if subset.name in said:
                continue
            said.add(subset.name)
            if subset.written_by is not None and not is_there(subset.written_by):
                say(f"  {subset.name} train: {subset.count:,} rows, not written yet")
                unknown = True
                continue
            for split in data.splits_of(subset):
                longest += [int(split.lengths.max())] if split.split == "train" else []
                seen = seen_of(data, split)
                for line in lines(subset.name, split.split, seen):
                    say(f"  {line}")
                if len(seen["labels"]) > MOST_NAMED:
                    counts = (f"{name} {count:g}" for name, count in seen["labels"].items())
                    say(f"    {', '.join(counts)}")
                for line in warnings(subset.name, split.split, seen):
                    say(f"  look at this: {line}")
        if isinstance(stage, SelfTrainedStage):
            more = unlabelled_rows(data)
            longest.append(int(more.lengths.max()))
            say(f"  {stage.more_rows.name} train: {len(more.used):,} rows without labels")
    for leak in experiment.leaks:
        say(f"  look at this: of {experiment.target.name} {leak}")
    return None if unknown else max(longest, default=None)
