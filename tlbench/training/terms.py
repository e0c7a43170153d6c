"""Which terms a stage adds to the losses of its rows."""

from collections.abc import Iterator, Sequence

from tlbench.config.schema import Config, Task
from tlbench.models.discriminator import Discriminator
from tlbench.models.matching import Matching
from tlbench.models.penalty import L1
from tlbench.models.terms import Term


def terms_of(config: Config, tasks: Sequence[Task], hidden_size: int) -> Iterator[Term]:
    """Yield what a stage of these tasks adds to the losses of its rows."""
    if config.penalty.name == "l1":
        yield L1(config.penalty.strength)
    if len(tasks) > 1 and config.match.name != "none":
        yield Matching(config.match, tasks)
    if len(tasks) > 1 and config.adversary.name == "dann":
        yield Discriminator(hidden_size, len(tasks), config.adversary.weight)
