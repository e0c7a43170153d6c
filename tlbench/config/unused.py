"""What is given on the command line and has no effect: a run would ignore it in silence."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from hydra.core.override_parser.types import QuotedString
from omegaconf import OmegaConf

from tlbench.config.chosen import parsed
from tlbench.config.identity import affects_training, flatten, without_effect_on
from tlbench.config.keys import declared, is_under, value_at, value_in
from tlbench.config.overrides import default_choices, options, read_first, read_option
from tlbench.config.schema import Config, Strategy
from tlbench.config.search_path import CONF_DIR
from tlbench.errors import UserError

# Of a rule, what has an effect with some words of another key alone; stage keys have it all.
_WITH_MODE = {"sampling.temperature": ("softmax",), "sampling.floor": ("gap", "gap_x_size")}
_OF_ENCODER = ("optim.l2_sp", "penalty")  # what changes nothing of an encoder that is not trained
# plan.build refuses a support without effect; its size is one for all strategies of a loop; Hydra's
# keys are not of a config.
_ELSEWHERE = ("support_task", "subsample_size.support", "hydra")


def check_used(config: Config, overrides: Sequence[str]) -> None:
    """Refuse what a single run is given and makes no use of.

    Args:
        config: of the run.
        overrides: of its command line.

    Raises:
        UserError: naming the key to leave out, and the one to change for it to have an effect.
    """
    for key in given(overrides):
        if reason := why_unused(config, key):
            raise UserError(reason)


def check_no_option_of_sweeps(overrides: Iterable[str]) -> None:
    """Refuse what only a sweep makes use of: its launcher and its sweeper, and options of theirs.

    Args:
        overrides: of a single run, those of Hydra's own keys.

    Raises:
        UserError: naming the first of them.
    """
    for override in filter(None, map(parsed, overrides)):
        key = override.key_or_group.replace("/", ".")
        if is_under(key, ("hydra.launcher", "hydra.sweeper")) and key != "hydra.sweeper.dry_run":
            raise UserError(f"Add -m, or leave out {override.input_line}: this is one run.")


def given(overrides: Iterable[str]) -> list[str]:
    """Return the keys and groups that overrides of one value each set to another than the default.

    Each once, in their order.
    """
    keys = (
        key
        for override in filter(None, map(parsed, overrides))
        if not (override.is_delete() or override.is_sweep_override())
        for key, value in flatten(_plain(override.value()), override.key_or_group)
        if not (is_under(key, _ELSEWHERE) or key.startswith("hydra/") or _is_default(key, value))
    )
    return list(dict.fromkeys(keys))


def why_unused(config: Config, key: str) -> str | None:
    """Return a sentence about a key or group that a run makes no use of; None if it does."""
    declaration, strategy = declared(Config).get(key), config.strategy
    value_of = partial(value_at, config)
    if declaration and declaration.only_with and not declaration.has_effect(value_of):
        # A group's option is called as its ``name``.
        sibling = declaration.sibling.removesuffix(".name").replace(".", "/")
        other = " or ".join(f"{sibling}={word}" for word in declaration.only_with[1])
        chosen = f"{sibling}={value_of(declaration.sibling)}"
        return f"Add {other}, or leave out {key}: it has no effect with {chosen}."
    modes = _WITH_MODE.get(key)
    if modes and config.sampling.name == "dynamic" and config.sampling.mode not in modes:
        return (
            f"Change sampling.mode to {' or '.join(modes)}, or leave out {key}: it has no effect "
            f"with sampling.mode={config.sampling.mode}."
        )
    if is_under(key, _OF_ENCODER) and config.trainable == "heads":
        return (
            f"Change trainable to all, or leave out {key}: with trainable=heads the encoder "
            "stays where it is."
        )
    if is_under(key, ("synthesis",)) and not _may_write(config):
        return (
            f"Add support_task=synthesised, or leave out {key}: no language model writes rows for "
            "this run."
        )
    if not affects_training(key, without_effect_on(strategy.supports, strategy.without_effect)):
        return _of_another_strategy(key, strategy)
    return None


def _may_write(config: Config) -> bool:
    """Whether a support may be one whose rows are written; of strategy.tasks files say it."""
    if config.strategy.supports == "one":
        return bool(value_in(config.support_task, "source.format") == "synthesised")
    return config.strategy.supports != "none"


def _of_another_strategy(key: str, strategy: Strategy) -> str:
    if key == "strategy.tasks" and strategy.supports == "one":
        return (
            "Leave out strategy.tasks, or add strategy.supports=many: "
            f"strategy={strategy.name} takes its support from support_task."
        )
    return f"Change strategy, or leave out {key}: it has no effect with strategy={strategy.name}."


def used_by_any(combinations: Iterable[Any], overrides: Iterable[str]) -> Iterator[Any]:
    """Yield the combinations of a sweep; what none of them makes use of is refused at the end.

    Args:
        combinations: each with its ``config``.
        overrides: those that the sweep is made of, of one value each.

    Raises:
        UserError: as ``check_used`` does.
    """
    unused: Mapping[str, str] = dict.fromkeys(given(overrides), "")
    for combination in combinations:
        if unused:
            reasons = ((key, why_unused(combination.config, key)) for key in unused)
            unused = {key: reason for key, reason in reasons if reason}
        yield combination
    for reason in filter(None, unused.values()):
        raise UserError(reason)


def _is_default(key: str, value: Any) -> bool:
    """Whether a key or group has this value where nobody sets it."""
    if options(key):
        return value == default_choices().get(key) or value is None
    declaration = declared(Config).get(key)
    if value is None or (declaration and declaration.is_left_out(value)):
        return True
    group, _, inside = key.partition(".")
    option = read_first(group, default_choices().get(group, "")) if inside else None
    file = option if option is not None else read_option(CONF_DIR / "config.yaml")
    content: Any = OmegaConf.to_container(file, resolve=False)
    return bool(value_in(content, inside if option is not None else key) == value)


def _plain(value: Any) -> Any:
    """Return an override's value without the quotes that Hydra keeps."""
    if isinstance(value, dict):
        return {_plain(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.text if isinstance(value, QuotedString) else value
