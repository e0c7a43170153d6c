"""Several stages a Slurm job; sweeps that are left are in test_detach.py too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hydra.core.singleton import Singleton
from hypothesis import given
from hypothesis import strategies as st

from tests.support.experiments import Trained
from tests.support.sweeps import MakeSweeper, Sweep
from tlbench.errors import UserError
from tlbench.jobs import beside
from tlbench.sweep import bundles, submit
from tlbench.sweep.bundles import in_bundles

SLURM = ("hydra/launcher=slurm", "hydra.launcher.stages_per_job=2")


def test_the_longest_first_and_all_about_as_long() -> None:
    """By hand: 9, 7 and 6 begin a bundle each; 5 joins 6, 4 joins 7, and 1 is left for 9."""
    assert in_bundles([1, 9, 4, 7, 5, 6], [1, 9, 4, 7, 5, 6], 2) == [[7, 4], [6, 5], [9, 1]]
    assert in_bundles([9, 1, 1, 1, 1], [9, 1, 1, 1, 1], 4) == [[9], [1, 1, 1, 1]]


@given(lengths=st.lists(st.integers(0, 50), max_size=30), size=st.integers(1, 6))
def test_bundles_are_few_full_and_in_order(lengths: list[int], size: int) -> None:
    dealt = in_bundles(lengths, [float(one) for one in lengths], size)
    assert sorted(one for bundle in dealt for one in bundle) == sorted(lengths)
    assert len(dealt) == -(-len(lengths) // size)
    assert all(0 < len(bundle) <= size for bundle in dealt if any(bundle))
    assert all(bundle == sorted(bundle, reverse=True) for bundle in dealt)
    totals = [sum(bundle) for bundle in dealt]
    assert totals == sorted(totals, reverse=True)
    if size == 1:
        assert totals == sorted(lengths, reverse=True)


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=30), size=st.integers(2, 6))
def test_none_is_longer_than_one_with_room_by_more_than_its_shortest(
    lengths: list[int], size: int
) -> None:
    """What came last to a bundle came to the shortest of those that were not full."""
    dealt = in_bundles(lengths, [float(one) for one in lengths], size)
    roomy = min((sum(bundle) for bundle in dealt if len(bundle) < size), default=None)
    if roomy is not None:
        assert all(sum(bundle[:-1]) <= roomy for bundle in dealt)


@pytest.mark.parametrize("count", ["0", "-1", "a", "1.5", "null", "true"])
def test_what_is_no_number_of_stages_is_refused_before_any_is_trained(
    make_sweeper: MakeSweeper, trained: Trained, count: str
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")
    sweeper, _, overrides = make_sweeper(
        "hydra.mode=MULTIRUN", SLURM[0], f"hydra.launcher.stages_per_job={count}"
    )
    with pytest.raises(UserError, match=r"^Change hydra.launcher.stages_per_job: .* no number of"):
        sweeper.conduct(overrides)
    assert trained.titles == []


class InThisProcess:
    """Submitit's executor, whose jobs run one after the other where they are submitted."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    @contextmanager
    def batch(self) -> Iterator[None]:
        yield

    def submit(self, bundle: Any) -> "InThisProcess":
        singletons = Singleton.get_state()
        self.sizes.append(len(bundle.members))
        self.returned = bundle()
        Singleton.set_state(singletons)
        done = InThisProcess()
        done.returned = self.returned
        return done

    def wait(self) -> None: ...

    def results(self) -> list[Any]:
        return [self.returned]


def one_after_the_other(
    calls: Sequence[Callable[[], Any]], environments: Sequence[Mapping[str, str]]
) -> list[Any]:
    assert len(calls) == len(environments)
    return [call() for call in calls]


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> InThisProcess:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")
    executor = InThisProcess()
    monkeypatch.setattr(submit, "make_executor", lambda _: executor)
    monkeypatch.setattr(beside, "run", one_after_the_other)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return executor


def test_a_sweep_gives_each_slurm_job_several_stages(
    sweep: Sweep, trained: Trained, executor: InThisProcess
) -> None:
    trained.errors["mrpc"] = RuntimeError("no memory")
    with pytest.raises(UserError, match="1 experiments failed"):
        sweep(*SLURM, "target_task=rte,mrpc,cola")
    assert executor.sizes == [2, 1]
    assert sorted(trained.titles) == ["cola", "rte"]
    del trained.errors["mrpc"]
    assert {record.status for record in sweep(*SLURM, "target_task=rte,mrpc,cola").values()} == {
        "done"
    }
    assert executor.sizes == [2, 1, 1]


def test_of_two_batches_each_has_so_many_slurm_jobs(
    sweep: Sweep, trained: Trained, executor: InThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays: list[int] = []
    run_bundles = submit.run_bundles

    def counted(launcher: Any, batch: Sequence[Any]) -> Any:
        arrays.append(len(batch))
        return run_bundles(launcher, batch)

    monkeypatch.setattr(submit, "run_bundles", counted)
    sweep(*SLURM, "seed=range(5)", "hydra.sweeper.max_batch_size=2")
    assert arrays == [2, 1]
    assert sum(executor.sizes) == len(trained.titles) == 5


def test_what_hydra_is_returned_is_in_the_order_of_its_jobs(
    make_sweeper: MakeSweeper, executor: InThisProcess, tmp_path: Path
) -> None:
    """As other sweepers than ours need it."""
    sweeper, _, _ = make_sweeper("hydra.mode=MULTIRUN", *SLURM)
    folder = tmp_path / "sweep"
    folder.mkdir()
    launcher = sweeper.launcher_of(sweeper.context.config_loader, folder)
    launcher.task_function = lambda cfg: cfg.seed
    jobs = [[f"seed={seed}"] for seed in range(5)]
    returns: Sequence[Any] = launcher.launch(jobs, initial_job_idx=3)
    assert [list(one.overrides) for one in returns] == jobs
    assert [one.hydra_cfg.hydra.job.num for one in returns] == [3, 4, 5, 6, 7]
    assert [one.return_value for one in returns] == [0, 1, 2, 3, 4]
    assert executor.sizes == [2, 2, 1]


def test_every_launcher_gets_the_longest_first(
    sweep: Sweep, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {0: 5.0, 1: 50.0, 2: 20.0}

    def lengths(works: Sequence[Any]) -> list[float]:
        return [seconds[number] for number in range(len(works))]

    monkeypatch.setattr(bundles, "seconds_of_each", lengths)
    sweep("target_task=rte,mrpc,cola")
    assert trained.titles == ["mrpc", "cola", "rte"]
