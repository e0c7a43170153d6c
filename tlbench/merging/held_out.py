"""Chooses options of a rule by the target's rows that are held out of train."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from tlbench.console import points
from tlbench.plan.merge_rule import alternatives, held_out_options

log = logging.getLogger(__name__)


def best_alternative(
    config: Mapping[str, Any], score: Callable[[Mapping[str, Any]], float], title: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the config with the best values of the options that held-out rows choose.

    Of equal scores the first stays; one that is not defined is the worst.

    Args:
        config: of the rule.
        score: of a config, on the held-out rows.
        title: of the stage, for the log.

    Returns:
        The config, and what ``stage.json`` holds of the choice.
    """
    names = held_out_options(config)
    tried = [(one, score(one)) for one in alternatives(config)]
    best, reached = max(tried, key=lambda pair: -math.inf if math.isnan(pair[1]) else pair[1])
    chosen = {name: best[name] for name in names}
    said = ", ".join(f"merging.{name}={value:g}" for name, value in chosen.items())
    log.info("  %s: held-out rows choose %s (%s)", title, said, points(reached))
    scores = [{**{name: one[name] for name in names}, "score": value} for one, value in tried]
    return best, {"chosen": chosen, "scores": scores}
