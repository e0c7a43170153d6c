"""The stage that is a merge: of finished stages' encoders one is made, and nothing is trained."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tlbench.errors import UserError
from tlbench.plan.merge_rule import alternatives, held_out_options, make_rule, options_of
from tlbench.plan.stage import Need, Stage
from tlbench.plan.train_stage import TRAINING_VERSION

MERGE_VERSION = 1  # raise when merging code changes numbers, or what is hashed has other names


@dataclass(frozen=True)
class MergeStage(Stage):
    """The encoder of several finished stages, merged, with the head of the target's own.

    Its only task is the target, on which it is evaluated once.

    Attributes:
        models: the stages that are merged, and of which task the weights are; the target's first.
    """

    models: tuple[Need, ...] = ()

    run: ClassVar[str] = "tlbench.merging.merge.merge_stage"
    trains: ClassVar[bool] = False
    has_cross_fit: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[Need, ...]:
        return self.models

    @property
    def title(self) -> str:
        """What a person reads: ``average(rte+mnli)``."""
        rule = self.config.merging.get("name", "merge")
        return f"{rule}({'+'.join(need.title for need in self.models)})"

    def fingerprint(self) -> dict[str, Any]:
        # What else changes it is in the keys of what is merged: the encoder, selection, precision.
        held_out = self.config.selection == "held_out"
        return {
            "training": TRAINING_VERSION,
            "merge": MERGE_VERSION,
            "merging": options_of(self.config.merging),
            "models": [[need.stage.key, need.weights_of] for need in self.models],
            "tasks": [subset.fingerprint(held_out) for subset in self.subsets],
        }

    def check(self) -> None:
        """Refuse a rule that can't be made, and models that can't be merged.

        Raises:
            UserError: naming the key to change.
        """
        merging = self.config.merging
        for config in alternatives(merging) if merging else [merging]:
            make_rule(config)
        chosen = held_out_options(merging)
        if chosen and any(stage.config.selection != "held_out" for stage in self.graph()):
            raise UserError(
                f"Change selection to held_out, or merging.{chosen[0]} to a number: it is chosen "
                "on train rows that no merged model has trained on."
            )
        if len(self.models) < 2:
            raise UserError("Change strategy.plan: a merge is of two stages or more.")
        trained = [one for need in self.models for one in need.stage.graph() if one.trains]
        if all(stage.config.trainable == "heads" for stage in trained):
            raise UserError(
                "Change trainable to all, or strategy: trainable=heads leaves the encoders as "
                f"they are, so that there is nothing to merge ({self.title})."
            )
        if self.models[0].weights_of not in self.tasks:
            raise UserError(
                f"Change strategy.plan: the first of the stages that are merged is "
                f"{self.models[0].title}, not one of the target {'+'.join(self.tasks)}."
            )
        for need in self.models:
            self._check_encoder(need)

    def _check_encoder(self, need: Need) -> None:
        """Refuse a stage whose encoder did not begin with the weights that the others began with.

        Raises:
            UserError: naming the stage.
        """
        own, other = self.config, need.stage.config
        same_random = own.encoder.pretrained or own.seed == other.seed
        if own.encoder != other.encoder or not same_random:
            different = [
                f"encoder.{name}"
                for name, value in vars(own.encoder).items()
                if value != vars(other.encoder)[name]
            ]
            raise UserError(
                f"Change strategy.plan: {self.title} merges encoders that began with the same "
                f"weights, and {need.title} has another {', '.join(different) or 'seed'}."
            )
