"""Any acyclic graph of stages works: alone, in a sweep, and after a kill."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytest
from hypothesis import HealthCheck, example, given, settings
from safetensors.torch import load_file

from tests.support import graphs
from tests.support.experiments import Compose, Run, Trained
from tests.support.graphs import GRAPH, Node
from tests.support.sweeps import Sweep, records_below
from tlbench.errors import UserError
from tlbench.jobs.job import run_experiment
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.plan.stage import Need, Stage
from tlbench.records.record import read_record
from tlbench.store.store import Store

PLAN = ("strategy=mtl", "support_task=mnli")
MTL_FIRST = (*PLAN, "strategy.plan=tlbench.plan.strategies.mtl_then_target")
CHAIN = (*PLAN, "strategy.plan=tests.support.graphs.chain")
ALL = ("strategy=mtl_all", "strategy.plan=tests.support.graphs.strategy")


def test_a_stage_starts_from_its_own_task_of_a_stage_that_trained_it(compose: Compose) -> None:
    together, final = build(compose(*MTL_FIRST)).plan()
    assert together.title == "mnli+rte"
    assert final.start == Need(together, "rte")
    assert final.title == "rte<-mnli+rte:rte"


def test_the_task_whose_weights_are_taken_is_in_the_key(compose: Compose) -> None:
    experiment = build(compose(*PLAN))
    together = experiment.stage([experiment.target, *experiment.supports])
    one, other = (
        experiment.stage([experiment.target], start=Need(together, task))
        for task in ("mnli", "rte")
    )
    assert one.key != other.key


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("from_two", "rte starts from cola\\+mrpc, which trains cola, mrpc: say which task's"),
        ("without_target", "trains cola, mrpc, not the target task 'rte'"),
        ("of_what", "a stage takes experiment.target and the like"),
        ("from_what", "a start is a stage, or Need"),
        ("one_task_twice", "trains one or more different tasks, not \\['rte', 'rte'\\]"),
    ],
)
def test_what_leaves_a_choice_open_is_refused(compose: Compose, plan: str, reason: str) -> None:
    cfg = compose("strategy=mtl_all", f"strategy.plan=tests.support.graphs.{plan}")
    with pytest.raises(UserError, match=f"^Change strategy.plan: .*{reason}"):
        build(cfg).plan()


def test_an_epoch_is_not_measured_by_a_target_that_is_not_trained(compose: Compose) -> None:
    cfg = compose(
        "strategy=mtl_all", "strategy.plan=tests.support.graphs.from_two", "sampling.epoch=target"
    )
    with pytest.raises(
        UserError, match=r"^Change sampling.epoch: the stage of cola, mrpc does not"
    ):
        build(cfg).plan()


def test_a_start_names_a_task_that_was_trained(compose: Compose) -> None:
    experiment = build(compose(*PLAN))
    with pytest.raises(UserError, match="'cola' is none of them"):
        experiment.stage(
            [experiment.target], start=Need(experiment.stage([experiment.target]), "cola")
        )


def test_a_graph_has_each_stage_once_first_things_first(compose: Compose) -> None:
    """Forty diamonds one on the other: 2^40 ways through them, and 81 stages."""
    experiment = build(compose(*PLAN, "sampling=dynamic"))
    both = [experiment.target, *experiment.supports]
    stage = experiment.stage(both)
    for _ in range(40):
        stage = experiment.stage(both, start=Need(stage, "rte"))
    titles = [one.key for one in stage.graph()]
    assert len(titles) == len(set(titles)) == 2 + 41
    assert titles[-1] == stage.key


@pytest.mark.parametrize("heads", ["per_task", "per_label_count"])
def test_a_stage_starts_from_the_named_tasks_encoder_and_head(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heads: str
) -> None:
    """The two tasks' best weights are of different steps, so that they differ."""
    loaded: list[Path] = []
    load = MultiTaskModel.load_head
    monkeypatch.setattr(
        MultiTaskModel, "load_head", lambda s, t, f: (loaded.append(f), load(s, t, f))[1]
    )
    record = run(*MTL_FIRST, f"heads={heads}", "optim.lr=1e-3")
    store = Store(tmp_path / "store")
    assert loaded == [store.weights(record.stage_keys[0], "rte") / "heads.safetensors"]
    assert "dense.weight" in load_file(loaded[0])
    assert record.status == "done"


def test_only_weights_that_something_starts_from_are_kept(run: Run, tmp_path: Path) -> None:
    record = run(*MTL_FIRST)
    manifest = Store(tmp_path / "store").find(record.stage_keys[0])
    assert manifest is not None
    assert manifest["weights"] == ["rte"]


def test_each_stage_of_a_chain_is_logged_under_a_name_of_its_own(
    run: Run, trained: Trained
) -> None:
    record = run(*CHAIN)
    assert trained.roles == ["support1", "support2", "target"]
    assert [stage["title"] for stage in record.stages] == ["rte", "mnli<-rte", "rte<-mnli<-rte"]
    # Its rows were trained on by two stages, and what that took is counted for each.
    assert record.train_rows == {"rte": 128, "mnli": 64}
    assert record.instances == sum(stage["instances"] for stage in record.stages)


def test_a_sweep_over_strategies_trains_what_they_share_once(
    sweep: Sweep, trained: Trained
) -> None:
    """A pair that is an experiment's last stage, and a start under another strategy."""
    plans = "strategy.plan=tlbench.plan.strategies.mtl,tlbench.plan.strategies.mtl_then_target"
    sweep(*PLAN, plans)
    assert sorted(trained.titles) == ["mnli+rte", "rte<-mnli+rte:rte"]


def test_what_starts_from_a_start_that_has_diverged_is_diverged_untrained(
    sweep: Sweep, trained: Trained
) -> None:
    (record,) = sweep(*CHAIN, "optim.lr=1e6").values()
    assert trained.titles == ["rte"]
    assert record.status == "diverged"
    assert "it needs mnli<-rte, which has diverged: it needs rte" in str(record.error)


TWO_OF_ONE = (Node(("cola", "rte")), Node(("mrpc",), 0, "rte"), Node(("rte",), 1, "mrpc"))
ACROSS = (Node(("cola", "mrpc")), Node(("rte",), 0, "mrpc"))


@pytest.mark.slow
@given(graph=graphs.graphs())
@example(graph=TWO_OF_ONE)
@example(graph=ACROSS)
@settings(max_examples=3, suppress_health_check=list(HealthCheck))
def test_any_graph_is_trained_as_planned(
    graph: tuple[Node, ...],
    cache: Path,
    sweep: Sweep,
    trained: Trained,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """By one run, by a sweep, and by a sweep that was killed: the same stages and scores."""
    GRAPH[0] = graph
    folder = tmp_path_factory.mktemp("graph")
    every = (*ALL, "debug=fast", f"cache_dir={cache}")
    planned = build(hydra.compose("config", list(every))).plan()
    results = {}
    for way in ("run", "sweep", "killed"):
        store = Store(folder / way)
        where = (f"store_dir={store.root}", f"hydra.sweep.dir={folder / way}-sweep")
        del trained.titles[:]
        results[way] = outcome(way, (*every, *where), planned, sweep, trained, folder)
        assert sorted(trained.titles) == sorted(stage.title for stage in planned)
        for stage in planned:
            manifest = store.find(stage.key)
            assert manifest is not None
            need = stage.start
            weights = store.weights(need.stage.key, str(need.weights_of)) if need else None
            assert trained.starts[stage.key] == weights
            for task in manifest["weights"]:
                assert store.weights(stage.key, task).is_dir()
    assert results["run"] == results["sweep"] == results["killed"]


def outcome(
    way: str,
    overrides: tuple[str, ...],
    planned: list[Stage],
    sweep: Callable[..., Any],
    trained: Trained,
    folder: Path,
) -> tuple[Any, ...]:
    """The score and stages of the experiment, run in one of three ways."""
    if way == "run":
        run_experiment(hydra.compose("config", list(overrides)), folder / "job", False)
        record = read_record(folder / "job" / "result.json")
    else:
        if way == "killed":
            trained.errors[planned[-1].title] = KeyboardInterrupt()
            with pytest.raises(KeyboardInterrupt):
                sweep(*overrides)
            trained.errors.clear()
        sweep(*overrides)
        (record,) = records_below(folder / f"{way}-sweep")
    return record.score, record.metrics, record.stage_keys, record.train_rows, record.instances
