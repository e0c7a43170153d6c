"""The stage that is a training run, and what of the config its key hashes: the schema says it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from tlbench.config.keys import Affects, affecting, value_at
from tlbench.config.schema import ONE_TASK_A_BATCH
from tlbench.data.subsampling import HELD_OUT
from tlbench.errors import UserError
from tlbench.methods.base import make_method, without_names
from tlbench.methods.matching import check_matching
from tlbench.plan.encoder_shape import layers_of
from tlbench.plan.stage import Need, Stage
from tlbench.tasks.kinds import head_name, kind_of
from tlbench.tasks.label_columns import same_rows
from tlbench.tasks.unlabelled import needs_labels

TRAINING_VERSION = 4  # raise when training code changes numbers, or what is hashed has other names


@dataclass(frozen=True)
class TrainStage(Stage):
    """Tasks trained together, from a fresh encoder or from another stage's best weights.

    Attributes:
        start: the stage that this one starts from, and the task whose best weights it takes.
        target: the task that ``sampling.epoch=target`` measures an epoch by, else None.
        scores: each task alone, whose scores ``sampling=dynamic`` compares with, else none.
    """

    start: Need | None = None
    target: str | None = None
    scores: tuple["Stage", ...] = ()

    run: ClassVar[str] = "tlbench.training.train.train_stage"
    has_cross_fit: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[Need, ...]:
        start = (self.start,) if self.start else ()
        rows = (subset.written_by for subset in self.subsets)
        return (*start, *(Need(stage) for stage in (*filter(None, rows), *self.scores)))

    @property
    def title(self) -> str:
        """What a person reads: ``rte``, ``rte<-mnli``, ``mnli+rte`` or ``rte<-heads(rte)``."""
        names = "+".join(self.tasks)
        what = self.config.trainable
        trained = names if what == "all" else f"{what}({names})"
        return trained + (f"<-{self.start.title}" if self.start else "")

    @property
    def is_mixed(self) -> bool:
        """Whether it trains several tasks."""
        return len(self.subsets) > 1

    def fingerprint(self) -> dict[str, Any]:
        held_out = self.config.selection == "held_out"
        hashed: dict[str, Any] = {
            "training": TRAINING_VERSION,
            "config": dict(self._settings()),
            "tasks": [subset.fingerprint(held_out) for subset in self.subsets],
        }
        if shared := self._on_same_rows():
            hashed["same_rows"] = shared
        if self.start:
            hashed["start"] = [self.start.stage.key, self.start.weights_of]
        if self.target:
            hashed["target"] = self.target
        if self.scores:
            hashed["scores"] = [stage.key for stage in self.scores]
        return hashed

    def _settings(self) -> Iterator[tuple[str, Any]]:
        """Yield the config values that change what is trained here, by dotted key."""
        what: set[Affects] = {"training"}
        what |= {"started"} if self._depends_on_sharing else set()
        what |= {"mixed"} if self.is_mixed else set()
        schema: type = type(self.config)
        for key in affecting(schema, frozenset(what)):
            value = value_at(self.config, key.name)
            if key.is_left_out(value):
                continue
            if not key.has_effect(partial(value_at, self.config)):
                continue
            if key.name == "sampling.last_batch" and self._has_whole_batches:
                continue
            if key.name == "match.relations":
                value = _between(value, self.tasks)
            value = key.trains_as.get(value, value) if key.trains_as else value
            yield key.name, without_names(value) if key.name == "method" else value

    @property
    def _depends_on_sharing(self) -> bool:
        """Whether ``heads`` matters: a task alone takes over its own head whoever shares it."""
        return self.is_mixed or bool(self.start and self.start.weights_of not in self.tasks)

    @property
    def _has_whole_batches(self) -> bool:
        """Whether no batch of an epoch can be smaller than the others, so that none is dropped."""
        sampling = self.config.sampling
        counted = sampling.batches == "fixed_counts" or isinstance(sampling.epoch, int)
        return self.is_mixed and counted

    def check(self) -> None:
        """Refuse a batch too small to mix the tasks, too few rows to hold out, heads in vain.

        Raises:
            UserError: naming the key to change.
        """
        if self.is_mixed:
            make_method(self.config.method, self.tasks).check(self.config)
            check_matching(self.config.match, [subset.task for subset in self.subsets])
            self._check_adversary()
        self._check_labels()
        self._check_heads()
        self._check_layers()
        self._check_shared_rows()
        c = self.config
        for subset in self.subsets:
            if c.selection == "held_out" and subset.count < HELD_OUT:
                raise UserError(
                    f"Change selection, or subsample_size: held_out takes one row in {HELD_OUT} "
                    f"and task '{subset.name}' has {subset.count}."
                )
        if c.sampling.batches not in ONE_TASK_A_BATCH and c.batch_size < len(self.subsets):
            raise UserError(
                f"Change batch_size: {c.batch_size} is less than the {len(self.subsets)} tasks "
                f"that a batch mixes ({', '.join(self.tasks)}); or set "
                "sampling.batches=homogeneous."
            )

    def _check_labels(self) -> None:
        """Refuse to train on rows whose labels nobody has, or on no labels of a head at all.

        Raises:
            UserError: naming ``strategy``.
        """
        for task in (subset.task for subset in self.subsets):
            if not kind_of(task).trains_on_labels and task.head not in self.tasks:
                raise UserError(
                    f"Change strategy to one that trains {task.head} and {task.name} together, as "
                    f"mtl does: the stage {self.title} learns of no label."
                )
        for task in (subset.task for subset in self.subsets if needs_labels(subset.task)):
            raise UserError(
                f"Change strategy, or support_task: rows of '{task.name}' have no labels, which "
                f"strategy={self.config.strategy.name} trains on."
            )

    def _check_adversary(self) -> None:
        """Refuse a discriminator of features that can't be told apart for what they are.

        Raises:
            UserError: naming the key to change.
        """
        if self.config.adversary.name == "none":
            return
        if self.config.trainable == "heads":
            raise UserError(
                "Change adversary to none, or trainable: of heads alone nothing is opposed."
            )
        tasks = [subset.task for subset in self.subsets]
        other = next((task for task in tasks if task.head_layer != tasks[0].head_layer), None)
        several = (
            task for task in tasks if kind_of(task).reads_places or kind_of(task).sequences > 1
        )
        more = next(several, None)
        if different := more or other:
            what = "its head reads several tokens" if more else "its head reads another layer"
            raise UserError(
                f"Change adversary to none: features of '{different.name}' are known anyhow, as "
                f"{what}."
            )

    def _check_heads(self) -> None:
        """Refuse to train heads alone where that can't change the scores that they are for.

        Raises:
            UserError: naming ``trainable``.
        """
        own = self._heads()
        if self.config.trainable == "heads" and self.is_mixed and len({*own}) == len(own):
            raise UserError(
                f"Change trainable to all, or heads to per_label_count: {', '.join(self.tasks)} "
                "share no weights that trainable=heads trains, so no task can help another."
            )
        before = self.start and self.start.stage
        if not isinstance(before, TrainStage) or before.config.trainable != "heads":
            return
        at = before.tasks.index(str(self.start and self.start.weights_of))
        if before._heads(self.config.heads)[at] not in own:
            raise UserError(
                f"Change trainable to all, or strategy: {self.title} takes over no head of "
                f"{before.title}, which trains nothing else."
            )

    def _check_shared_rows(self) -> None:
        """Refuse to give tasks on the same rows, which are drawn together, shares of their own.

        Raises:
            UserError: naming ``sampling``.
        """
        shared = self._on_same_rows()
        if shared and self.config.sampling.name == "dynamic":
            raise UserError(
                "Change sampling: dynamic gives each task its part of an epoch, and "
                f"{', '.join(shared[0])} are on the same rows."
            )

    def _on_same_rows(self) -> list[list[str]]:
        """Return the tasks that are trained on the same rows, drawn together; none by itself."""
        groups = same_rows([subset.task for subset in self.subsets])
        return [[self.tasks[task] for task in group] for group in groups if len(group) > 1]

    def _check_layers(self) -> None:
        """Refuse a head at a layer that the encoder has not.

        Raises:
            UserError: naming ``head_layer``.
        """
        for task in (subset.task for subset in self.subsets if subset.task.head_layer):
            count = layers_of(self.config.encoder)
            if count is not None and (task.head_layer or 0) > count:
                raise UserError(
                    f"Change head_layer of task '{task.name}' to {count} or less, or to null: the "
                    f"encoder has {count} layers, not {task.head_layer}."
                )

    def _heads(self, sharing: str | None = None) -> list[str]:
        """Return the name of each task's head."""
        return [head_name(subset.task, sharing or self.config.heads) for subset in self.subsets]


def _between(
    relations: Mapping[str, Mapping[str, Any]], tasks: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the relations between tasks of a stage, so that those of other tasks change no key."""
    return {
        name: {other: relations[name][other] for other in tasks if other in relations[name]}
        for name in tasks
        if name in relations
    }
