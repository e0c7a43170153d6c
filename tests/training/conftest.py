from collections.abc import Callable

import pytest

from tests.support.interrupting import Result, train
from tlbench.plan.stage import Stage


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Stage], Result]:
    """The results of stages that are not interrupted, each trained once a module."""
    results: dict[str, Result] = {}

    def get(stage: Stage) -> Result:
        if stage.key not in results:
            results[stage.key] = train(stage, tmp_path_factory.mktemp(stage.key) / "whole")
        return results[stage.key]

    return get
