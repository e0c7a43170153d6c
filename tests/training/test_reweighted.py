"""Just train twice: which rows are errors, what they count, and what an interrupt leaves of it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.support.experiments import Compose, Run, stage_run
from tlbench.data.collation import MultiTaskDataset
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.plan.reweighted_stage import ReweightedStage
from tlbench.plan.schedule import Schedule
from tlbench.plan.stage import Stage
from tlbench.store.integrity import unseal
from tlbench.training import reweighted
from tlbench.training.context import Needed, StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.row_weights import ERRORS_FILE, ErrorWeights

JTT = ("strategy=jtt", "target_task=mnli", "subsample_size.dev=40")
LONG = ("optim.lr=1e-3", "trainer.max_steps=null", "trainer.max_epochs=3")


def plan(compose: Compose, *overrides: str) -> list[Stage]:
    return build(compose(*JTT, *overrides)).plan()


def test_it_is_two_trainings_from_the_pretrained_encoder(compose: Compose) -> None:
    first, second = plan(compose, *LONG, "jtt.epochs=2", "jtt.weight=3")
    assert isinstance(second, ReweightedStage)
    assert (first.title, second.title) == ("mnli", "mnli by errors of mnli")
    assert first.start is None
    assert second.start is None
    assert [need.stage for need in second.needs] == [first]
    assert (first.config.trainer.max_epochs, second.config.trainer.max_epochs) == (2, 3)
    schedule = Schedule.planned(first)  # type: ignore[arg-type]
    assert list(schedule.evaluations) == [schedule.steps], "at its end, so that dev chooses nothing"
    assert Schedule.planned(second).evaluated_rows == 6 * 2 * 40 + 64


def test_the_first_is_that_of_single_with_as_few_epochs(compose: Compose) -> None:
    first, _ = plan(compose, *LONG, "trainer.early_stopping=2")
    alone = build(
        compose(*JTT[1:], LONG[0], LONG[1], "trainer.max_epochs=1", "eval_every=1")
    ).plan()
    assert [stage.key for stage in alone] == [first.key]


def test_what_its_stages_hash(compose: Compose) -> None:
    keys = [stage.key for stage in plan(compose)]
    weighed = [stage.key for stage in plan(compose, "jtt.weight=9")]
    longer = [stage.key for stage in plan(compose, *LONG)]
    of_longer = [stage.key for stage in plan(compose, *LONG, "jtt.epochs=2")]
    assert weighed[0] == keys[0]
    assert weighed[1] != keys[1]
    assert not {*longer} & {*of_longer}
    single = [
        build(compose("target_task=mnli", one)).plan()[0].key for one in ("seed=0", "jtt.weight=9")
    ]
    assert single[0] == single[1]


@pytest.mark.parametrize("target", ["stsb", "topics", "mentions"])
def test_rows_that_are_not_right_or_wrong_are_refused(compose: Compose, target: str) -> None:
    with pytest.raises(UserError, match=r"^Change target_task, or strategy: jtt needs rows"):
        build(compose("strategy=jtt", f"target_task={target}")).plan()


def test_errors_are_of_the_rows_that_are_trained(compose: Compose) -> None:
    experiment = build(compose(*JTT))
    other = build(compose(*JTT, "subsample_size.target=32"))
    stage = experiment.stage([experiment.target])
    of_other = experiment.reweighted(stage, other.stage([other.target]), 2.0)
    with pytest.raises(UserError, match="weighs rows of one task by a stage that has trained on"):
        of_other.check()


@given(used=st.sets(st.integers(0, 50), min_size=1), errors=st.sets(st.integers(0, 50)))
def test_weights_have_a_mean_of_1_and_those_of_errors_are_so_many_times_the_others(
    used: set[int], errors: set[int]
) -> None:
    rows = np.array(sorted(used))
    weights = ErrorWeights(np.array(sorted(errors), np.int64), 5.0).of(rows)
    assert weights.mean() == pytest.approx(1)
    wrong = np.isin(rows, list(errors))
    if 0 < wrong.sum() < len(rows):
        assert weights[wrong] == pytest.approx(5 * weights[~wrong][0])
    else:
        assert weights == pytest.approx(1)


def test_a_batch_s_rows_are_weighed_as_they_are_alone_and_on_two_ranks(compose: Compose) -> None:
    stage = plan(compose)[0]
    plain = MultiTaskDataModule(stage)
    plain.setup()
    used = plain.train[0].used
    data = MultiTaskDataModule(stage, change=ErrorWeights(used[::3], 4.0))
    data.setup()
    at = [(0, np.array([3, 4, 5, 6, 9]))]
    batches = [
        MultiTaskDataset(data.train, data.tokenizer, data.config, rank, ranks)[at]
        for rank, ranks in ((0, 1), (0, 2), (1, 2))
    ]
    (unweighed,) = (MultiTaskDataset(plain.train, data.tokenizer, data.config)[at],)
    ratio = batches[0].weights / unweighed.weights
    assert ratio == pytest.approx(data.train[0].weights[at[0][1]])  # type: ignore[index]
    by_row = dict(zip(batches[0].ids.tolist(), batches[0].weights.tolist(), strict=True))
    for one in batches[1:]:  # whose gradients are averaged
        halved = {
            i: w / 2 for i, w in zip(one.ids.tolist(), one.weights.tolist(), strict=True) if w
        }
        assert halved == pytest.approx({i: by_row[i] for i in halved})


def made(compose: Compose, run: Run, tmp_path: Path, *overrides: str) -> tuple[Any, list[Path]]:
    record = run(*JTT, *LONG, *overrides)
    return record, [tmp_path / "store" / key for key in record.stage_keys]


def errors_of(folder: Path) -> list[int]:
    rows: list[int] = unseal(json.loads((folder / ERRORS_FILE).read_text()))["rows"]
    return rows


def test_the_errors_are_those_of_the_first_model(
    compose: Compose, run: Run, tmp_path: Path
) -> None:
    record, (first, second) = made(compose, run, tmp_path)
    assert record.strategy == "jtt"
    assert record.train_rows == {"mnli": 128}
    stage = build(compose(*JTT, *LONG)).plan()[0]
    data = MultiTaskDataModule(stage)
    data.setup()
    (rows,) = data.train
    weights = first / "weights" / "mnli"
    model = MultiTaskModel(load_encoder(stage.config.encoder, weights), [rows.task], "per_task")
    model.load_head(rows.task, weights / "heads.safetensors")
    batch = MultiTaskDataset([rows], data.tokenizer, data.config)[[(0, np.arange(64))]]
    with torch.no_grad():
        (logits,) = model.eval()(batch.inputs, batch.counts)
    wrong = batch.ids[logits.argmax(dim=1) != batch.labels[0]]
    assert errors_of(second) == sorted(wrong.tolist())
    manifest = json.loads((second / "stage.json").read_text())
    assert manifest["errors"] == {"rows": len(wrong), "of": 64}
    assert 0 < len(wrong) < 64
    assert ERRORS_FILE in manifest["files"]


@pytest.mark.parametrize(("epochs", "one_label"), [(1, True), (12, False)])
def test_errors_of_a_model_that_predicts_one_label_are_said_to_be_the_others(
    run: Run, caplog: pytest.LogCaptureFixture, epochs: int, one_label: bool
) -> None:
    """As of a first stage that is too short: then labels are weighed, and no errors."""
    caplog.set_level(logging.WARNING)
    length = (f"jtt.epochs={epochs}", "trainer.max_epochs=12", "trainer.max_steps=null")
    run("strategy=jtt", "target_task=sst2", *length, "optim.lr=3e-3")
    said = "the first model predicts the same for every train row" in caplog.text
    assert said == one_label


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights" / "mnli" / "model.safetensors")


def test_errors_that_count_once_leave_the_training_as_it_is_and_more_change_it(
    compose: Compose, run: Run, tmp_path: Path
) -> None:
    _, (_, alike) = made(compose, run, tmp_path, "jtt.weight=1", "keep_weights=all")
    _, (_, other) = made(compose, run, tmp_path, "jtt.weight=5", "keep_weights=all")
    single = run(*JTT[1:], *LONG, "keep_weights=all")
    of_single = tmp_path / "store" / single.stage_keys[0]
    same = [torch.equal(one, _weights(of_single)[name]) for name, one in _weights(alike).items()]
    assert all(same)
    assert not all(
        torch.equal(one, _weights(of_single)[name]) for name, one in _weights(other).items()
    )


class StoppedError(Exception):
    """Stands for a kill."""


def test_an_interrupted_training_goes_on_with_the_errors_that_it_began_with(
    compose: Compose, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (first, whole) = made(compose, run, tmp_path, "keep_weights=all")
    second = plan(compose, *LONG, "keep_weights=all")[1]
    manifest = json.loads((first / "stage.json").read_text())
    need = second.needs[0]
    folder = tmp_path / "work"
    folder.mkdir()
    context: StageContext = stage_run(
        second, folder, needed=(Needed(need, manifest, first / "weights" / "mnli"),)
    )

    def stop(*_: Any) -> Any:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(reweighted, "train_stage", stop)
        with pytest.raises(StoppedError):
            reweighted.train_reweighted(context, None)
    assert errors_of(folder) == errors_of(whole)
    monkeypatch.setattr(reweighted, "evaluate_weights", stop)  # nor does it look for them again
    again = reweighted.train_reweighted(context, None)
    assert again["errors"] == json.loads((whole / "stage.json").read_text())["errors"]
    assert all(torch.equal(one, _weights(whole)[name]) for name, one in _weights(folder).items())


def test_a_dry_run_counts_both_stages(
    command: Callable[..., Any],
) -> None:
    said = command("debug=fast", *JTT, "hydra.sweeper.dry_run=true")
    assert said.returncode == 0, said.stderr
    assert "jtt mnli s0: 2 stages" in said.stdout
    assert "mnli by errors of mnli: 64 rows, to train" in said.stdout


@pytest.mark.slow
def test_two_devices_find_the_same_errors_and_train_alike(
    compose: Compose, run: Run, tmp_path: Path
) -> None:
    _, (first, one) = made(compose, run, tmp_path)
    manifest = json.loads((first / "stage.json").read_text())
    cfg = compose(*JTT, *LONG)
    cfg.trainer.devices = 2
    second = build(cfg).plan()[1]
    folder = tmp_path / "two"
    folder.mkdir()
    needed = (Needed(second.needs[0], manifest, first / "weights" / "mnli"),)
    found = reweighted.train_reweighted(stage_run(second, folder, needed=needed), None)
    assert errors_of(folder) == errors_of(one)
    assert found["devices"] == 2
