"""Merges of real stages, through the whole program."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.support.experiments import Compose, Run, Trained, watch_scoring
from tlbench.errors import UserError
from tlbench.export.chosen import of_record
from tlbench.export.export import export
from tlbench.merging.models import start_weights
from tlbench.merging.scored import ScoredModel
from tlbench.plan.build import build
from tlbench.plan.experiment import Experiment
from tlbench.plan.merge_rule import MergedModel, MergeRule, Weights
from tlbench.plan.stage import Stage
from tlbench.records.record import ResultRecord
from tlbench.store.store import Store

MERGE = ("strategy=merge", "support_task=mnli", "target_task=rte", "optim.lr=1e-2")
ALONE = ("target_task=rte", "optim.lr=1e-2")
Command = Callable[..., subprocess.CompletedProcess[str]]


def store_of(record: ResultRecord) -> Store:
    return Store(record.config["store_dir"])


def last_stage(record: ResultRecord) -> dict[str, Any]:
    """The manifest of a record's last stage."""
    manifest = store_of(record).find(record.stage_keys[-1])
    assert manifest is not None
    return manifest


def weights(record: ResultRecord, place: int = -1, task: str = "rte") -> dict[str, torch.Tensor]:
    """The encoder's weights of one of a record's stages."""
    folder = store_of(record).weights(record.stage_keys[place], task)
    return load_file(folder / "model.safetensors")


def of_itself(experiment: Experiment) -> Stage:
    """A merge of a stage with itself."""
    alone = experiment.stage([experiment.target])
    return experiment.merge([alone, alone])


def test_the_average_of_a_stage_with_itself_is_that_stage(run: Run) -> None:
    merged = run(*MERGE, f"strategy.plan={__name__}.of_itself", "keep_weights=all")
    alone = run(*ALONE)
    mine, its = weights(merged), weights(alone)
    assert mine.keys() == its.keys()
    assert all(mine[name].equal(its[name]) for name in mine)
    assert merged.scores_by_selection["dev"] == alone.scores_by_selection["dev"]
    logits = [
        pd.read_parquet(store_of(one).folder(one.stage_keys[-1]) / "predictions" / "rte.parquet")
        for one in (merged, alone)
    ]
    for name in ("row", "label", "logit_0", "logit_1"):
        assert logits[0][name].equals(logits[1][name])


def test_the_encoders_are_merged_and_the_target_keeps_its_head(run: Run) -> None:
    record = run(*MERGE, "keep_weights=all")
    rte, mnli, merged = weights(record, 0), weights(record, 1, "mnli"), weights(record)
    for name in merged:
        torch.testing.assert_close(merged[name], (rte[name] + mnli[name]) / 2)
    assert not all(merged[name].equal(rte[name]) for name in merged)
    heads = [
        load_file(store_of(record).weights(record.stage_keys[at], "rte") / "heads.safetensors")
        for at in (0, -1)
    ]
    assert all(heads[0][name].equal(heads[1][name]) for name in heads[0])


@pytest.mark.parametrize("encoder", ["seed=0", "seed=3"])
def test_a_training_begins_with_the_start_weights(run: Run, compose: Compose, encoder: str) -> None:
    record = run("target_task=rte", "optim.lr=1e-30", "trainer.max_steps=1", encoder)
    before = torch.get_rng_state()
    start = start_weights(build(compose(encoder)).config)
    assert torch.get_rng_state().equal(before)
    for name, value in weights(record).items():  # what is 0 is moved, by the rate
        torch.testing.assert_close(start[name], value, rtol=0, atol=1e-25)


def test_what_a_record_says_of_it(run: Run, trained: Trained) -> None:
    record = run(*MERGE, "merging=regmean")
    assert trained.titles == ["rte", "mnli"]
    assert record.config["merging"]["name"] == "regmean"
    merged = record.stages[-1]
    assert merged["title"] == "regmean(rte+mnli)"
    assert (merged["steps"], merged["instances"], merged["train_rows"]) == (0, 0, {"rte": 0})
    assert record.train_rows == {"rte": 64, "mnli": 64}
    assert record.instances == 128
    assert set(record.scores_by_selection) == {"dev", "cross_fit"}
    assert record.dev_read_by == ["weights of rte"]


@pytest.mark.parametrize("merging", ["average", "task_arithmetic", "metagpt", "ties", "regmean"])
def test_all_rules_merge_the_same_finished_stages(run: Run, trained: Trained, merging: str) -> None:
    alone = [run(*ALONE), run("target_task=mnli", "optim.lr=1e-2")]
    trained.titles.clear()
    record = run(*MERGE, f"merging={merging}")
    assert (record.status, trained.titles) == ("done", [])
    assert record.stage_keys[:-1] == [one.stage_keys[0] for one in alone]
    assert record.instances_reused == record.instances == 128


def test_the_target_is_trained_once_more_from_it(run: Run, trained: Trained) -> None:
    record = run(*MERGE, "merging=ties", "merging.fine_tune=true")
    assert trained.titles == ["rte", "mnli", "rte<-ties(rte+mnli)"]
    start = trained.starts[record.stage_keys[-1]]
    assert start == store_of(record).weights(record.stage_keys[-2], "rte")
    assert record.instances == 192


def test_held_out_rows_choose_the_scale(run: Run) -> None:
    held_out = ("selection=held_out", "merging=task_arithmetic")
    chosen = run(*MERGE, *held_out, "merging.scale=held_out", "keep_weights=all")
    told = last_stage(chosen)["held_out"]
    assert chosen.stages[-1]["held_out"] == told
    assert [one["scale"] for one in told["scores"]] == [step / 10 for step in range(1, 11)]
    best = max(told["scores"], key=lambda one: one["score"])
    assert told["chosen"] == {"scale": best["scale"]}
    assert last_stage(chosen)["tasks"]["rte"]["selected_by"] == pytest.approx(best["score"])
    fixed = run(*MERGE, *held_out, f"merging.scale={best['scale']}", "keep_weights=all")
    assert "held_out" not in fixed.stages[-1]
    assert fixed.score == chosen.score
    mine, its = weights(chosen), weights(fixed)
    assert all(mine[name].equal(its[name]) for name in mine)


def test_test_rows_are_scored_with_its_weights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    scored = watch_scoring(monkeypatch)
    record = run(*MERGE, "suite.sources.rte.test=40")
    assert scored == ["average(rte+mnli)"]
    assert record.test is not None
    assert record.test["rows"] == 40


def test_what_has_diverged_is_not_merged(run: Run) -> None:
    record = run(*MERGE, "optim.lr=1e6", "optim.gradient_clip=null")
    assert (record.status, record.score) == ("diverged", None)
    assert (record.error or "").startswith("it needs rte, which has diverged: after step 2 of 4")
    assert record.train_rows == {"rte": 64, "mnli": 64}


class Broken(MergeRule):
    """Gives weights that are no numbers."""

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        return {name: value * math.nan for name, value in start.items()}


class Partial(MergeRule):
    """Forgets weights."""

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        return dict(list(start.items())[1:])


def test_a_merge_of_no_numbers_has_diverged(run: Run) -> None:
    record = run(*MERGE, f"merging._target_={__name__}.Broken")
    assert (record.status, record.score) == ("diverged", None)
    assert record.error == (
        "the loss on rte was not finite, or 100 times that at chance level; lower the scale of "
        "merging, or take another rule"
    )


def test_a_rule_that_forgets_weights_is_one_sentence(run: Run) -> None:
    with pytest.raises(UserError, match=r"Partial returns other weights than the encoder has: emb"):
        run(*MERGE, f"merging._target_={__name__}.Partial")


def test_an_interrupted_merge_is_made_again_bit_for_bit(
    run: Run, trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    score = ScoredModel.score

    def interrupted(self: ScoredModel, *arguments: Any) -> None:
        score(self, *arguments)
        raise KeyboardInterrupt

    keep = (*MERGE, "keep_weights=all")
    with monkeypatch.context() as patched:
        patched.setattr(ScoredModel, "score", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(*keep)
    resumed = last_stage(run(*keep))
    assert trained.titles == ["rte", "mnli"]
    whole = last_stage(run(*keep, f"store_dir={tmp_path / 'other_store'}"))
    assert resumed["files"] == whole["files"]


@pytest.mark.slow
def test_two_devices_score_as_one(run: Run, compose: Compose) -> None:
    one = run(*MERGE, "keep_weights=all")
    key = one.stage_keys[-1]
    shutil.rmtree(store_of(one).folder(key))
    two = run(*MERGE, "keep_weights=all", "trainer.devices=2")
    assert last_stage(two)["devices"] == 2
    assert two.score == one.score


def test_a_model_of_it_predicts(run: Run, tmp_path: Path) -> None:
    run(*MERGE, "keep_weights=all")
    export(of_record(tmp_path / "job"), tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "average" in card


@pytest.mark.slow
def test_a_sweep_a_rerun_and_the_store_take_it(command: Command, tmp_path: Path) -> None:
    sweep = command(
        "-m",
        "debug=fast",
        "study=merges",
        "target_task=rte",
        "support_task=mnli",
        "strategy=single,merge",
        "merging=average,regmean",
        "merging.fine_tune=true,false",
    )
    assert sweep.returncode == 0, sweep.stderr
    records = sorted((tmp_path / "multirun" / "merges").glob("*/result.json"))
    found = [json.loads(file.read_text()) for file in records]
    # What merging has no effect on is run once.
    names = sorted((one["strategy"], one["config"].get("merging", {}).get("name")) for one in found)
    assert [name for name, _ in names] == ["merge"] * 4 + ["single"]
    assert "5 experiments" in sweep.stderr + sweep.stdout
    verified = command("verify", module="tlbench.cli.store")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    (merged, *_) = (f for f, one in zip(records, found, strict=True) if one["strategy"] == "merge")
    again = command(str(merged), module="tlbench.cli.rerun")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "The score is the same." in again.stdout
    report = command("multirun/merges", module="tlbench.cli.report")
    assert report.returncode == 0, report.stderr
    page = (tmp_path / "report" / "index.html").read_text()
    for candidate in ("merge (average)", "merge (RegMean)", "merge (RegMean, fine-tuned)"):
        assert candidate in page
