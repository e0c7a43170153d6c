"""What a sweep makes of the weights that its stages and ``keep_weights`` ask for."""

from pathlib import Path

import pytest

from tests.plan.test_weights import weights
from tests.support.experiments import Trained
from tests.support.sweeps import Sweep
from tlbench.store.store import Store

GRID = ("strategy=single,stilts", "target_task=rte", "support_task=mrpc")


@pytest.mark.slow
def test_a_sweep_that_asks_for_all_weights_makes_them(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sweep(*GRID)
    store = Store(tmp_path / "store")
    assert weights(store) == {"rte": ["rte"], "mrpc": ["mrpc"], "rte<-mrpc": []}
    del trained.titles[:]
    capsys.readouterr()
    after = sweep(*GRID, "keep_weights=all")
    assert "3 stages: 2 reused, 1 to train" in capsys.readouterr().out
    assert trained.titles == ["rte<-mrpc"]
    assert weights(store) == {"rte": ["rte"], "mrpc": ["mrpc"], "rte<-mrpc": ["rte"]}
    assert {k: r.score for k, r in after.items()} == {k: r.score for k, r in before.items()}
    sweep(*GRID, "keep_weights=all")
    assert "3 stages: 3 reused, 0 to train" in capsys.readouterr().out
    assert trained.titles == ["rte<-mrpc"]


@pytest.mark.slow
def test_weights_that_were_pruned_are_made_only_for_what_needs_them(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*GRID)
    store = Store(tmp_path / "store")
    for key in store.finished():
        store.drop_weights(key)
    del trained.titles[:]
    sweep(*GRID)
    assert trained.titles == []
    sweep(*GRID, "target_task=rte,cola")
    assert sorted(trained.titles) == ["cola", "cola<-mrpc", "mrpc"]


@pytest.mark.slow
def test_a_list_of_tasks_is_of_the_last_stages_that_train_them(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*GRID, "keep_weights=[rte]")
    store = Store(tmp_path / "store")
    assert weights(store) == {"rte": ["rte"], "mrpc": ["mrpc"], "rte<-mrpc": ["rte"]}
    assert len(trained.titles) == 3
    assert list(store.work.glob("replaced-*")) == []
