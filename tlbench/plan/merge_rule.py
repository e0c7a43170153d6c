"""What a merge rule is: it makes one encoder of several that began with the same weights.

The rules are in ``tlbench.merging``; planning makes one too, to refuse what it can't be made of.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.config.dotted import imported_class, made_by
from tlbench.errors import UserError
from tlbench.methods.base import without_names

if TYPE_CHECKING:
    from torch import Tensor, nn

Weights = Mapping[str, "Tensor"]  # of an encoder, by the names of its state
HELD_OUT = "held_out"  # in place of an option: what is best on rows held out of train


@dataclass(frozen=True)
class MergedModel:
    """A finished model that is merged.

    Attributes:
        task: that its weights are best for.
        weights: of its encoder, float32 on the CPU.
        encoder: in evaluation mode on the CPU; its forward takes the inputs of rows.
        rows: of the first so many train rows of its task, the inputs of each: (1, tokens).
    """

    task: str
    weights: Weights
    encoder: "nn.Module"
    rows: Callable[[int], Iterator[Mapping[str, "Tensor"]]]


class MergeRule(ABC):
    """A rule that merges encoders.

    Its constructor gets the options of the config group ``merging`` by name. Imports torch inside
    functions, for planning makes a rule too.

    Attributes:
        choices: by name of an option, the values of which ``held_out`` takes the best.
    """

    choices: ClassVar[Mapping[str, Sequence[float]]] = {}

    @abstractmethod
    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        """Return the merged weights, with the names and shapes of ``start``.

        Args:
            models: two or more, the target's first.
            start: the weights that all of them began with, as they were pretrained.
        """


def make_rule(config: Mapping[str, Any]) -> MergeRule:
    """Make the rule of the config group ``merging``.

    Raises:
        UserError: if there is none, no such class, or it can't be made with these options.
    """
    options = options_of(config)
    target = str(options.pop("_target_", None))
    if not config:
        raise UserError("Add merging=average, or another rule to merge by.")
    make = imported_class(target, MergeRule, "merging._target_")
    rule: MergeRule = made_by(make, target, "merging", **options)
    return rule


def options_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rule does: its ``_target_`` and its own options."""
    options = without_names(dict(config))
    options.pop("fine_tune", None)  # the strategy's: what is trained after the merge
    return options


def held_out_options(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the options that held-out rows choose."""
    return [name for name, value in options_of(config).items() if value == HELD_OUT]


def alternatives(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the configs of which held-out rows choose the best; the config alone if none.

    Raises:
        UserError: if the rule has no choices for an option.
    """
    names = held_out_options(config)
    rule = imported_class(str(config.get("_target_")), MergeRule, "merging._target_")
    for name in names:
        if name not in rule.choices:
            raise UserError(
                f"Change merging.{name}: held-out rows choose "
                f"{', '.join(rule.choices) or 'nothing'} of this rule."
            )
    values = product(*(rule.choices[name] for name in names))
    return [{**config, **dict(zip(names, each, strict=True))} for each in values]


def number(name: str, value: Any, least: float, most: float) -> float:
    """Return the value of an option that is a number within bounds.

    Raises:
        UserError: naming the option.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and least <= value <= most):
        raise UserError(f"Change merging.{name}: {value} is not a number from {least} to {most}.")
    return float(value)
