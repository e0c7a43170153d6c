"""What the making of a stage is given."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlbench.plan.stage import Need, Stage
from tlbench.store.claims import Claim


@dataclass(frozen=True)
class Needed:
    """A stage that is needed, finished.

    Attributes:
        manifest: its ``stage.json``.
        weights: the folder of the weights that the need names; None for a need of scores alone.
    """

    need: Need
    manifest: dict[str, Any]
    weights: Path | None = None


@dataclass(frozen=True)
class StageContext:
    """What the making of a stage needs to know.

    Attributes:
        role: the first word of what is logged: ``target``, ``support`` or ``single/<task>``.
        folder: where to write weights, predictions and checkpoints.
        needed: what the stage needs, in the order of ``stage.needs``.
        weights_of: the tasks whose best weights go into the store.
        claim: on the stage, which another process may take over; None if nobody else knows of it.
    """

    stage: Stage
    role: str
    folder: Path
    needed: tuple[Needed, ...] = ()
    weights_of: frozenset[str] = frozenset()
    claim: Claim | None = None

    @property
    def title(self) -> str:
        """What a person reads, in a log that several jobs write to: ``mnli+rte s0``."""
        return self.stage.title_and_seed

    @property
    def start(self) -> Path | None:
        """The folder of the weights to start from, for a stage with a start."""
        start = self.stage.start
        if start is None:
            return None
        by_key = {one.need.stage.key: one.weights for one in self.needed if one.weights}
        return by_key[start.stage.key]

    @property
    def single_task_scores(self) -> dict[str, float]:
        """By task, the score that selected the weights of a stage of which scores are needed.

        NaN where it is not defined.
        """
        scores: dict[str, float] = {}
        for needed in self.needed:
            if needed.weights is None:
                for task, entry in needed.manifest["tasks"].items():
                    score = entry["selected_by"]
                    scores[task] = math.nan if score is None else score
        return scores
