"""What plans lack: the stages that are not in the store, and their order."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from tlbench.plan import weights
from tlbench.plan.stage import Stage
from tlbench.store.manifest import Manifest
from tlbench.store.store import store_of


def find(stage: Stage, weights_of: Collection[str] = ()) -> Manifest | None:
    """Return the manifest of a stage that is finished with all that is wanted of it, else None.

    Wanted are the best weights of these tasks, and the cross-fitted scores if the stage says so.
    """
    return store_of(stage.config).find(stage.key, weights_of, stage.wants_cross_fit)


def is_there(stage: Stage, weights_of: Collection[str] = ()) -> bool:
    """Whether a stage is finished with all that is wanted of it; see ``find``."""
    return find(stage, weights_of) is not None


class Missing:
    """The stages that any number of plans lack.

    A stage is missing if it is the last of a plan, or ``keep_weights`` or test rows ask for weights
    of it, or a missing stage needs it, and the store has not all that is wanted of it.

    Attributes:
        stages: by key.
        weights_of: by key, the tasks whose best weights any of the plans wants.
    """

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}
        self.weights_of: dict[str, set[str]] = defaultdict(set)
        self._waves: dict[str, int] = {}
        self._there: dict[tuple[str, bool, frozenset[str]], bool] = {}

    def add(self, plan: Sequence[Stage]) -> None:
        """Add what a plan lacks."""
        asked = weights.wanted(plan)
        for stage in plan:
            if stage.key in asked or stage is plan[-1]:
                self._want(stage, asked.get(stage.key, ()))

    def _want(self, stage: Stage, tasks: Collection[str]) -> None:
        wanted = self.weights_of[stage.key]
        wanted.update(tasks)
        if stage.key in self.stages:
            if stage.wants_cross_fit:  # the other plan's did maybe not, and its key is the same
                self.stages[stage.key] = stage
            return
        if self._is_there(stage, frozenset(wanted)):
            return
        self.stages[stage.key] = stage
        for need in stage.needs:
            self._want(need.stage, need.tasks)

    def _is_there(self, stage: Stage, tasks: frozenset[str]) -> bool:
        """The same as ``is_there``, the file read once for all the experiments of a sweep."""
        wanted = (stage.key, stage.wants_cross_fit, tasks)
        if wanted not in self._there:
            self._there[wanted] = is_there(stage, tasks)
        return self._there[wanted]

    def wave(self, stage: Stage) -> int:
        """How many missing stages, with this one, must be trained one after the other."""
        if stage.key not in self.stages:
            return 0
        if stage.key not in self._waves:
            before = (self.wave(need.stage) for need in stage.needs)
            self._waves[stage.key] = 1 + max(before, default=0)
        return self._waves[stage.key]
