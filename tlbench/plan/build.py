"""From a config to an experiment: its tasks with their definitions, digests and sizes."""

from dataclasses import replace
from importlib.util import find_spec

from omegaconf import DictConfig

from tlbench.config.remembered import Remembered
from tlbench.config.schema import Config, Encoder, Task
from tlbench.config.validation import check_config, parse_config
from tlbench.errors import UserError
from tlbench.plan import encoder_files, leakage
from tlbench.plan.definitions import definition_of, support_tasks
from tlbench.plan.experiment import Experiment
from tlbench.plan.impossible import impossible
from tlbench.plan.rows_stage import is_written
from tlbench.plan.subsets import subset_of, with_test, written_subset
from tlbench.tasks.definition import check_task
from tlbench.tasks.shared_heads import check_shared_heads


def build(cfg: DictConfig, in_sweep: bool = False) -> Experiment:
    """Check a composed config and count the rows of its tasks; see ``from_config``."""
    return from_config(parse_config(cfg), in_sweep)


def from_config(
    config: Config, in_sweep: bool = False, remembered: Remembered | None = None
) -> Experiment:
    """Return the experiment of a config whose types are right.

    Args:
        in_sweep: a sweep gives strategies without a support task one as it gives the others;
            there it is dropped, in a single run it is an error.
        remembered: of the experiments of one sweep, whose tasks are looked at once.

    Raises:
        UserError: for whatever a user can get wrong in a config or in the data.
    """
    once = remembered or Remembered()
    check_config(config)
    once(_check_adapter, config.encoder, config.trainable)
    once(check_task, config.target_task)
    in_vain = None if in_sweep else _support_in_vain(config)
    if in_vain and config.strategy.supports != "many":
        raise UserError(in_vain)
    if reason := impossible(config):
        raise UserError(reason.sentence)
    size = config.subsample_size
    for name in size.per_task:
        definition_of(name, "subsample_size.per_task")
    encoder, unresolved = once(_identified, config.encoder)
    config = replace(config, encoder=encoder)
    place = size, config.cache_dir
    target = once(subset_of, *place, config.target_task, size.target, "subsample_size.target")
    target = once(with_test, target, config.cache_dir)
    tasks = once(
        support_tasks, config.strategy, config.support_task, config.suite, config.target_task
    )
    once(check_shared_heads, (config.target_task, *tasks))
    alone = Experiment(config, target, ())
    supports = tuple(
        written_subset(alone, task)
        if is_written(task)
        else once(subset_of, *place, task, size.support, "subsample_size.support", target)
        for task in tasks
    )
    leaks = once(leakage.leaks, target, supports, config.cache_dir)
    if leaks and not config.allow_leakage:
        own = [subset.name for subset in (target, *supports) if _is_of_suite(subset.task, config)]
        leakage.check(leaks, target.name, own)
    experiment = Experiment(config, target, supports, unresolved, leaks)
    if in_vain:
        experiment.plan()  # a strategy that takes not so many says so first
        raise UserError(in_vain)
    return experiment


def _check_adapter(encoder: Encoder, trainable: str) -> None:
    """Refuse an adapter that nothing could train.

    Raises:
        UserError: naming the key to change, or what to install.
    """
    name = encoder.adapter.name
    if name == "none":
        return
    if trainable != "all":
        raise UserError(
            f"Change trainable to all, or encoder/adapter to none: {name} says itself which "
            f"weights of the encoder are trained, and trainable={trainable} others."
        )
    if find_spec("peft") is None:
        raise UserError(
            f"Change encoder/adapter, or install what {name} needs: "
            "pip install 'tlbench[adapters]'."
        )


def _support_in_vain(config: Config) -> str | None:
    """Return what to change of a support task that the strategy does not use; None if it does."""
    name, strategy = config.support_task.get("name"), config.strategy
    if not name or strategy.supports == "one":
        return None
    of_tasks = strategy.supports in ("many", "all")
    uses = "takes its supports from strategy.tasks" if of_tasks else "uses no support task"
    return f"Change support_task to none: strategy={strategy.name} {uses}."


def _is_of_suite(task: Task, config: Config) -> bool:
    """Whether a task's rows are those that the chosen suite has under its name."""
    source = config.suite.get("sources", {}).get(task.name)
    return source is not None and all(
        getattr(task.source, key, None) == value for key, value in source.items()
    )


def _identified(encoder: Encoder) -> tuple[Encoder, str | None]:
    """Return the encoder with its identity, or why there is none."""
    try:
        return replace(encoder, identity=encoder_files.identify(encoder)), None
    except UserError as error:
        return encoder, str(error)
