"""From a config to an experiment, and from an experiment to its stages."""

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from omegaconf import OmegaConf

from tlbench.config.dotted import imported, package_of
from tlbench.config.keys import declared, is_under
from tlbench.config.schema import Adapter, Config
from tlbench.config.validation import check_config, checked
from tlbench.errors import UserError
from tlbench.plan import cross_fit, weights
from tlbench.plan.leak import Leak
from tlbench.plan.merge_stage import MergeStage
from tlbench.plan.reweighted_stage import ReweightedStage
from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.plan.stage import Need, Stage, TaskSubset
from tlbench.plan.train_stage import TrainStage

# What a stage may change of its experiment's config: all that affects a training, but for the
# encoder, whose weights go from stage to stage.
_KEYS = declared(Config)
_PER_STAGE = tuple(
    key.name
    for key in _KEYS.values()
    if key.affects in ("training", "started", "mixed") and not is_under(key.name, ["encoder"])
)

# Values that can be chosen for a candidate: none of them names code, the seed is that of all
# trials, and held-out rows choose in all.
TUNABLE = tuple(
    name
    for name in _PER_STAGE
    if name != "selection" and not (_KEYS[name].is_open or _KEYS[name].is_choice)
)


@dataclass(frozen=True)
class Experiment:
    """A checked config with the row counts of its tasks.

    Attributes:
        unresolved: why nobody knows what the encoder's files are, so that it can be planned and
            not trained; None where they are known.
        leaks: the target's dev and test rows that are also among the rows trained on.
    """

    config: Config
    target: TaskSubset
    supports: tuple[TaskSubset, ...]
    unresolved: str | None = None
    leaks: tuple[Leak, ...] = ()

    def stage(
        self, subsets: Sequence[TaskSubset], start: Stage | Need | None = None, **changed: Any
    ) -> TrainStage:
        """Make the stage that trains tasks together.

        Args:
            subsets: of the tasks: ``experiment.target`` and ``experiment.supports``.
            start: the stage to start from. A ``Need`` says which task's best weights are taken;
                else they are those of the task that is trained again, or of its only task.
            changed: config values for this stage alone, as ``optim={"lr": 1e-5}, batch_size=16``;
                before those of ``tuned.supports``, which a stage of a support alone has.

        Raises:
            UserError: for no task, one task twice, a start that leaves the choice open, or a value
                that can't be changed for a stage.
        """
        if not all(isinstance(subset, TaskSubset) for subset in subsets):
            raise UserError("Change strategy.plan: a stage takes experiment.target and the like.")
        by_name = tuple(sorted(subsets, key=lambda subset: subset.name))
        names = [subset.name for subset in by_name]
        if not names or len(set(names)) < len(names):
            raise UserError(
                f"Change strategy.plan: a stage trains one or more different tasks, not {names}."
            )
        config = self._tuned_for(names)
        config = _with_changes(config, changed) if changed else config
        config = cross_fit.without_request(config)
        if config.trainable == "heads":  # as in the first stage of lp_ft
            config = replace(config, encoder=replace(config.encoder, adapter=Adapter()))
        target = self._target_among(names) if config.sampling.epoch == "target" else None
        dynamic = len(names) > 1 and config.sampling.name == "dynamic"
        scores = tuple(self.stage([subset], **changed) for subset in by_name) if dynamic else ()
        return TrainStage(config, by_name, _need(start, names), target, scores)

    def _tuned_for(self, names: Sequence[str]) -> Config:
        """Return the config of a stage of these tasks: with its own values for a support alone.

        Raises:
            UserError: naming ``tuned.supports``.
        """
        tuned = self.config.tuned.supports
        own = tuned.get(names[0]) if len(names) == 1 and names != [self.target.name] else None
        if own is None:
            return self.config
        where = f"tuned.supports.{names[0]}"
        nested: dict[str, Any] = {}
        for key, value in own.items():
            if key not in TUNABLE:
                raise UserError(
                    f"Change {where}: {key} can't be tuned; there are {', '.join(TUNABLE)}."
                )
            group, _, last = key.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[last] = value
        return _with_changes(self.config, nested, where)

    def merge(self, stages: Sequence[Stage | Need]) -> MergeStage:
        """Make the stage that merges the encoders of others by the rule of ``merging``.

        Args:
            stages: two or more, the target's first, whose head the merged encoder gets. A ``Need``
                says which task's best weights are taken of one that trains several.

        Raises:
            UserError: for a stage that leaves the choice open.
        """
        config = cross_fit.without_request(self.config)
        target = [self.target.name]
        models = tuple(need for one in stages if (need := _need(one, target)))
        return MergeStage(config, (self.target,), models)

    def reweighted(
        self, stage: TrainStage, errors_of: Stage | Need, weight: float
    ) -> ReweightedStage:
        """Make the stage that trains as another would, but with more weight on errors.

        Args:
            stage: what is trained, of one task of classes.
            errors_of: the stage whose errors on the same train rows count more, by the best
                weights that it has for the task.
            weight: how many times as much as another row one counts.

        Raises:
            UserError: for a stage of the errors that leaves the choice of weights open.
        """
        own = {one.name: getattr(stage, one.name) for one in fields(stage)}
        need = _need(errors_of, stage.tasks)
        return ReweightedStage(**own, errors_of=need, error_weight=weight)

    def self_trained(
        self, stage: TrainStage, unlabelled: TaskSubset, teacher: Stage | Need
    ) -> SelfTrainedStage:
        """Make the stage that trains as another would, on more rows that a third has labelled.

        Which of them are taken is said by ``self_training``.

        Args:
            stage: what is trained, of one task of classes.
            unlabelled: the rows.
            teacher: the stage whose best weights for the task label them.

        Raises:
            UserError: for a teacher that leaves the choice of weights open.
        """
        own = {one.name: getattr(stage, one.name) for one in fields(stage)}
        need, options = _need(teacher, stage.tasks), asdict(self.config.self_training)
        return SelfTrainedStage(**own, unlabelled=unlabelled, teacher=need, **options)

    def _target_among(self, names: Sequence[str]) -> str | None:
        """Return the task that an epoch of these tasks is measured by; None for a task alone."""
        if len(names) == 1:
            return None
        if self.target.name not in names:
            raise UserError(
                f"Change sampling.epoch: the stage of {', '.join(names)} does not train the target "
                f"task '{self.target.name}', by which its epochs would be measured."
            )
        return self.target.name

    def plan(self) -> list[Stage]:
        """Return the stages to train, in order; the last one gives the target's score.

        Raises:
            UserError: if the strategy can't be called, or what it gives can't be trained.
        """
        name = self.config.strategy.plan
        final = self._final_stage(name)
        if not isinstance(final, Stage):
            raise UserError(f"Change strategy.plan: '{name}' gives no stage.")
        if self.target.name not in final.tasks:
            raise UserError(
                f"Change strategy.plan: the last stage of '{name}' trains "
                f"{', '.join(final.tasks)}, not the target task '{self.target.name}'."
            )
        if self.config.selection == "cross_fit":
            final = cross_fit.requested(final)
        stages = final.graph()
        for stage in stages:
            stage.check()
            stage.check_thresholds()
            if package_of(stage.run) != "tlbench":  # ours is there, and imports torch
                imported(stage.run, f"strategy.plan, or run of its stage {stage.title}")
        if self.config.only_stage is None:
            weights.check_kept(final)
        return stages

    def last_of(self, plan: Sequence[Stage]) -> Stage:
        """Return the stage to end with: the plan's last, or the one that ``only_stage`` names.

        Raises:
            UserError: if the plan has none of that key, or ``keep_weights`` does not go with it.
        """
        only = self.config.only_stage
        if only is None:
            return plan[-1]
        by_key = {stage.key: stage for stage in plan}
        if only not in by_key:
            raise UserError(
                f"Change only_stage: '{only}' is not in the plan, which has {', '.join(by_key)}."
            )
        weights.check_kept(by_key[only])
        return by_key[only]

    def _final_stage(self, name: str) -> Any:
        strategy = imported(name, "strategy.plan")
        try:
            bound = inspect.signature(strategy).bind(self)
        except (TypeError, ValueError) as error:  # ValueError: of some functions in C
            raise UserError(f"Change strategy.plan: '{name}' takes no experiment.") from error
        # By its name, so that no other function is called: torch.load would take anything too.
        if list(bound.arguments) != ["experiment"]:
            raise UserError(
                f"Change strategy.plan: '{name}' takes no experiment; a strategy is a function "
                "whose first argument is called experiment."
            )
        return strategy(self)

    @property
    def title(self) -> str:
        """What a person reads: ``stilts rte<-mnli s0``."""
        return title_of(self.config)


def title_of(config: Config) -> str:
    """Return what a person reads of an experiment, planned or not: ``stilts rte<-mnli s0``."""
    return f"{choice_of(config)} s{config.seed}"


def choice_of(config: Config) -> str:
    """Return what a person reads of the choice that an experiment is: ``stilts rte<-mnli``."""
    strategy = config.strategy
    named = {"one": [str(config.support_task.get("name"))], "many": strategy.tasks}
    supports = "+".join(named.get(strategy.supports, []))
    arrow = f"<-{supports}" if supports else ""
    return f"{strategy.name} {config.target_task.name}{arrow}"


def _with_changes(config: Config, changed: dict[str, Any], where: str = "strategy.plan") -> Config:
    """Return the config of a stage with some values of its own, checked as all values are.

    Args:
        where: the key that says them.
    """
    merged = asdict(config)
    for name, value in changed.items():
        whole = name in _PER_STAGE or not isinstance(value, dict)
        for key in [name] if whole else [f"{name}.{inner}" for inner in value]:
            if key not in _PER_STAGE:
                raise UserError(
                    f"Change {where}: a stage can't have {key} of its own; it can have "
                    f"{', '.join(_PER_STAGE)}."
                )
        merged[name] = value if whole else {**merged[name], **value}
    try:
        own: Config = checked(type(config), OmegaConf.create(merged), "")
        check_config(own)
    except UserError as error:
        raise UserError(f"Change {where}, for a stage of it is wrong: {error}") from error
    return own


def _need(start: Stage | Need | None, tasks: Sequence[str]) -> Need | None:
    """Return the start of a stage that trains ``tasks``, with the task whose weights are taken."""
    if start is None:
        return None
    need = start if isinstance(start, Need) else Need(start)
    if not isinstance(need.stage, Stage):
        raise UserError("Change strategy.plan: a start is a stage, or Need(stage, task).")
    trained = need.stage.tasks
    again = [task for task in tasks if task in trained]
    usual = again[0] if len(again) == 1 else trained[0] if len(trained) == 1 else None
    task = need.weights_of or usual
    if task not in trained:
        wanted = "'" + task + "' is none of them" if task else "say which task's weights are taken"
        raise UserError(
            f"Change strategy.plan: {'+'.join(tasks)} starts from {need.stage.title}, which trains "
            f"{', '.join(trained)}: {wanted}, as Need(stage, task)."
        )
    return Need(need.stage, task)
