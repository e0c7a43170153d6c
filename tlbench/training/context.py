"""What the training of a stage is given."""

from dataclasses import dataclass, field
from pathlib import Path

from tlbench.plan.stage import Stage
from tlbench.store.claims import Claim


@dataclass(frozen=True)
class StageContext:
    """What the training of a stage needs to know.

    Attributes:
        role: the first word of what is logged: ``target``, ``support`` or ``single/<task>``.
        folder: where to write weights, predictions and checkpoints.
        start: the folder of the weights to start from, for a stage with a start.
        alone: the tasks' scores alone, for ``sampling=dynamic``.
        weights_of: the tasks whose best weights go into the store.
        claim: on the stage, which another process may take over; None if nobody else knows of it.
    """

    stage: Stage
    role: str
    folder: Path
    start: Path | None = None
    alone: dict[str, float] = field(default_factory=dict)
    weights_of: frozenset[str] = frozenset()
    claim: Claim | None = None

    @property
    def title(self) -> str:
        """What a person reads, in a log that several jobs write to: ``mnli+rte s0``."""
        return f"{self.stage.title} s{self.stage.config.seed}"
