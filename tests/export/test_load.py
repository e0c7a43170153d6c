"""A model is loaded of an exported folder or of a record: one seed, or the mean of all."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tlbench
from tests.export.test_export import MTL
from tests.support.experiments import Run
from tests.support.sweeps import Sweep
from tlbench.errors import UserError
from tlbench.export.folder import MANIFEST
from tlbench.export.load import load_model
from tlbench.export.predictor import Ensemble
from tlbench.records.record import read_record

PAIRS = [("some dogs run", "all dogs run"), ("no film is good", "films are bad")]


@pytest.mark.parametrize("content", [None, "{}", "[]", "no JSON"])
def test_another_folder_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tlbench.json").write_text(content)
    with pytest.raises(UserError, match=r"Change MODEL: .* is neither a folder that tlbench-exp"):
        load_model(tmp_path)


def test_a_record_gives_the_model_of_its_target(rte_model: Path) -> None:
    exported = load_model(rte_model / "model", "cpu")
    for place in (rte_model / "job", rte_model / "job" / "result.json"):
        model = tlbench.load_model(place, "cpu")
        assert model.labels == exported.labels
        assert np.array_equal(model.probabilities(PAIRS), exported.probabilities(PAIRS))


def test_a_record_in_place_of_its_folder_is_refused(rte_model: Path) -> None:
    record = read_record(rte_model / "job" / "result.json")
    with pytest.raises(UserError, match="Give the folder of the record's job"):
        tlbench.load_model(record)  # type: ignore[arg-type]


def test_another_task_of_a_multi_task_stage_can_be_had(run: Run, tmp_path: Path) -> None:
    run("target_task=rte", *MTL)
    model = load_model(tmp_path / "job", "cpu", task="mnli")
    assert model.labels == ["entailment", "neutral", "contradiction"]


def seeds(folder: Path) -> list[Path]:
    """The folders of a study's jobs, by seed."""
    files = folder.rglob("result.json")
    return sorted(
        (file.parent for file in files), key=lambda job: read_record(job / "result.json").seed
    )


@pytest.mark.slow
def test_an_ensemble_is_the_mean_of_all_seeds_of_the_setting(sweep: Sweep, tmp_path: Path) -> None:
    sweep("target_task=rte", "seed=0,1,2", "optim.lr=1e-3,1e-2")
    jobs = [
        job
        for job in seeds(tmp_path / "sweep")
        if read_record(job / "result.json").config["optim"]["lr"] == 1e-3
    ]
    ensemble = load_model(jobs[1], "cpu", ensemble=True)
    assert isinstance(ensemble, Ensemble)
    assert ensemble.seeds == [0, 1, 2]
    alone = [load_model(job, "cpu").probabilities(PAIRS) for job in jobs]
    assert not np.allclose(alone[0], alone[1])
    assert ensemble.probabilities(PAIRS) == pytest.approx(sum(alone) / 3, abs=1e-7)
    labels = ensemble.labels or []
    assert ensemble.predict(PAIRS) == [labels[i] for i in sum(alone).argmax(axis=1)]


def test_an_ensemble_of_a_regression_is_the_mean_of_numbers(sweep: Sweep, tmp_path: Path) -> None:
    sweep("target_task=stsb", "seed=0,1")
    jobs = seeds(tmp_path / "sweep")
    alone = [load_model(job, "cpu").predict(PAIRS) for job in jobs]
    ensemble = load_model(jobs[0], "cpu", ensemble=True)
    assert ensemble.predict(PAIRS) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    with pytest.raises(UserError, match="Use predict: 'stsb' is a regression"):
        ensemble.probabilities(PAIRS)


def test_what_is_not_finished_is_left_out_and_said(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep("target_task=rte", "seed=0,1,2")
    first, second, third = seeds(tmp_path / "sweep")
    record = read_record(second / "result.json")
    replace(record, status="diverged", error="it has diverged").write(second)
    capsys.readouterr()
    ensemble = load_model(first, "cpu", ensemble=True)
    assert isinstance(ensemble, Ensemble)
    assert ensemble.seeds == [0, 2]
    assert "the mean of the seeds 0, 2; left out: 1 (diverged)\n" in capsys.readouterr().err
    replace(record, status="failed", error="it has failed").write(third)
    with pytest.raises(UserError, match=r"Leave out --ensemble: .* has no finished run of another"):
        load_model(first, "cpu", ensemble=True)


@pytest.mark.parametrize("of", ["record", "model"])
def test_code_that_a_strangers_record_or_model_names_is_not_run(
    rte_model: Path, tmp_path: Path, of: str
) -> None:
    copied = tmp_path / "theirs"
    shutil.copytree(rte_model / ("job" if of == "record" else "model"), copied)
    file = copied / ("result.json" if of == "record" else MANIFEST)
    content = json.loads(file.read_text())
    content.pop("checksum", None)
    definition = content["tasks"]["rte"] if of == "record" else content["task"]
    definition["kind"] = "no.such.Kind"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"^Add --trust .* this {of}, .*rte\.kind=no\.such\.Kind"):
        load_model(copied)
    with pytest.raises(UserError, match=r"'no\.such\.Kind' can't be imported"):
        load_model(copied, trust=True)
