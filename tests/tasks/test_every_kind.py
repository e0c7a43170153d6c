"""What holds of tasks of every kind: in stages with each other, and downstream."""

from pathlib import Path

import pandas as pd
import pytest

from tests.support.experiments import Compose, Run
from tests.support.interrupting import LENGTH, SIZES, assert_goes_on
from tlbench.analysis.collect import collect
from tlbench.analysis.saved import usable
from tlbench.config.search_path import CONF_DIR
from tlbench.doctor.measure import Shape, step_seconds
from tlbench.plan.build import build
from tlbench.records.packing import pack, sources

# By kind a task of it, its score, and what is saved of a row for reports to resample.
KINDS: dict[str, tuple[str, str, str, tuple[int, ...]]] = {
    "multilabel": ("topics", "micro_f1", "predictions", (5,)),
    "tagging": ("mentions", "entity_f1", "counts", (6,)),
    "multiple_choice": ("causes", "accuracy", "predictions", ()),
    "mlm": ("rte ++target_task.kind=mlm", "accuracy", "counts", (2,)),
}
ALL = ("target_task=topics", "strategy=mtl_many", "strategy.tasks=[mentions,causes,stsb,rte,mlm]")


@pytest.mark.parametrize(
    "more", [("method=sum", "micro_batch_size=5"), ("method=pcgrad", "micro_batch_tokens=100")]
)
def test_a_killed_stage_of_all_kinds_ends_as_if_it_had_not_been(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    held_out = ("selection=held_out", "++target_task.threshold=held_out")
    settings = (*SIZES, *LENGTH, "keep_weights=all", *ALL, *held_out, *more)
    assert_goes_on(build(compose(*settings)).plan()[-1], tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(file.stem for file in (CONF_DIR / "method").iterdir()))
def test_every_method_trains_all_kinds_together(run: Run, method: str) -> None:
    record = run(*ALL, f"method={method}", "trainer.max_steps=3", "optim.lr=1e-3", "batch_size=10")
    assert record.status == "done"
    assert record.score is not None


@pytest.mark.parametrize("selection", ["dev", "cross_fit"])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_predictions_are_those_of_the_store(
    run: Run, tmp_path: Path, kind: str, selection: str
) -> None:
    task, metric, column, shape = KINDS[kind]
    words = f"target_task={task}".split(" ")
    record = run(*words, "optim.lr=1e-3", f"selection={selection}")
    pack([tmp_path / "job"], tmp_path / "packed.parquet")
    (source,) = sources([tmp_path / "packed.parquet"])
    assert source.predictions is not None
    assert getattr(source.predictions, column).shape == (64, *shape)
    (row,) = collect([tmp_path / "packed.parquet"]).table.itertuples()
    assert row.kind == kind
    saved = {0: source.predictions}
    scored = pd.DataFrame({"score": [record.score], "metric": [metric]})
    assert list(usable(scored, saved)) == [0]
    assert not usable(scored.assign(score=record.score + 0.1), saved)


@pytest.mark.parametrize("kind", KINDS)
def test_the_doctor_measures_a_step_of_it(compose: Compose, kind: str) -> None:
    words = f"target_task={KINDS[kind][0]}".split(" ")
    config = build(compose("trainer.accelerator=cpu", *words)).config
    shape = Shape(1, 64, 400, rows=4, tokens=16, warmup=1, steps=1, rounds=1)
    assert step_seconds(config, ["32-true"], shape)["32-true"][0] > 0
