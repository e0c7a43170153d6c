"""The benchmarks run: nothing here says how fast anything is."""

import csv
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
import torch

from benchmarks import (
    bare_loop,
    comparison,
    jobs,
    memory,
    predict,
    prepare,
    product,
    shapes,
    speed,
    startup,
)
from benchmarks.contenders import CONTENDERS
from benchmarks.process import run_python
from benchmarks.watch import Measurement, Watch
from benchmarks.workload import Case, Work
from tests.support.composing import compose_config
from tlbench.config.validation import parse_config
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.features import PLAIN

pytestmark = pytest.mark.slow

MakeCase = Callable[..., Case]


@pytest.fixture
def case(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> MakeCase:
    """Two steps after an epoch of warm-up, prepared."""

    def make(*tasks: str) -> Case:
        monkeypatch.chdir(tmp_path)
        unprepared = Case(
            tasks=tasks,
            overrides=("suite=generated", "encoder=tiny", f"cache_dir={cache}"),
            product=("logger=csv",),
            rows=16,
            batch_size=8,
            max_length=64,
            device="cpu",
            workers=0,
            seed=0,
            folder=str(tmp_path),
        )
        return prepare.prepare(unprepared, steps=2)

    return make


@pytest.mark.parametrize("tasks", [["rte"], ["stsb"], ["rte", "mnli"]])
@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_counts_the_same_rows(
    case: MakeCase, name: str, tasks: Sequence[str]
) -> None:
    if "Trainer" in name:
        pytest.importorskip("accelerate", reason="Trainer needs accelerate: tlbench[bench]")
    prepared = case(*tasks)
    watch = Watch(prepared.warmup, prepared.steps, prepared.device)
    resolve_name(CONTENDERS[name])(prepared, watch)
    measured, rows = watch.result(), Work.read(prepared.folder).rows
    assert (measured.steps, measured.instances) == (prepared.steps, len(rows))
    assert measured.tokens == sum(len(row.inputs["input_ids"]) for row in rows)
    assert 0 <= measured.waiting < measured.seconds


def test_the_tuned_trainer_sorts_as_many_rows_as_with_the_whole_task(
    case: MakeCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    hf_trainer = pytest.importorskip("benchmarks.hf_trainer")
    pytest.importorskip("accelerate", reason="Trainer needs accelerate: tlbench[bench]")
    seen: list[int] = []
    monkeypatch.setattr(Watch, "after_step", lambda self, mask: seen.append(mask.shape[1]))
    prepared = prepare.prepare(replace(case("rte"), batch_size=2), steps=8)
    hf_trainer.tuned(prepared, Watch(prepared.warmup, prepared.steps, "cpu"))
    assert Work.read(prepared.folder).available == 800
    epoch = seen[:8]  # of the 16 drawn rows alone Trainer would sort four at once
    assert epoch == sorted(epoch, reverse=True)


def test_several_epochs_are_counted_if_there_are_few_rows(case: MakeCase) -> None:
    prepared = case("rte")
    few = prepare.prepare(replace(prepared, rows=10**6, batch_size=32), steps=70)
    assert (few.warmup, few.steps) == (25, 75)  # 800 rows


def test_every_task_gives_a_row(case: MakeCase) -> None:
    counts = {draw.name: draw.count for draw in prepare.stage(case("mnli", "qqp", "wnli")).subsets}
    assert counts == {"mnli": 40, "qqp": 30, "wnli": 1}


def test_peers_get_the_rows_that_tlbench_trains(case: MakeCase) -> None:
    prepared = case("rte", "mnli")
    stage = prepare.stage(prepared)
    ours = [
        ready.batch
        for _, ready in zip(
            range(prepared.steps), product.ready_batches(stage, "cpu"), strict=False
        )
    ]
    theirs = Work.read(prepared.folder).rows
    tokens = [
        tuple(ids[mask == 1].tolist())
        for batch in ours
        for ids, mask in zip(batch.inputs["input_ids"], batch.inputs["attention_mask"], strict=True)
    ]
    assert sorted(tokens) == sorted(tuple(row.inputs["input_ids"]) for row in theirs)
    counts = np.sum([batch.counts for batch in ours], axis=0).tolist()
    assert counts == np.bincount([row.task for row in theirs]).tolist()


def test_rows_are_another_draw_with_another_seed(case: MakeCase) -> None:
    prepared = case("rte")
    first_draw = Work.read(prepared.folder).rows
    prepare.prepare(replace(prepared, seed=1), steps=2)
    assert first_draw != Work.read(prepared.folder).rows


def test_two_forwards_have_the_loss_of_one(case: MakeCase) -> None:
    stage = prepare.stage(case("rte", "mnli", "stsb"))
    model = product.build_model(stage, PLAIN).eval()
    ready = next(product.ready_batches(stage, "cpu"))
    assert len(ready.by_task) > 1
    together, by_task = product.Loss(model)(ready), product.LossByTask(model)(ready)
    assert together.item() == pytest.approx(by_task.item(), rel=1e-5)


def test_the_bare_loop_has_as_many_parameters_as_tlbench(case: MakeCase) -> None:
    prepared = case("rte", "mnli")
    stage, work = prepare.stage(prepared), Work.read(prepared.folder)
    ours = product.build_model(stage, PLAIN)
    theirs = bare_loop.SharedEncoder(work.encoder, work.outputs, work.pretrained)
    sizes = [sorted(p.shape for p in model.parameters()) for model in (ours, theirs)]
    assert sizes[0] == sizes[1]


def test_the_bare_loops_batches_are_of_like_length_and_hold_every_row_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 1000)
    batches = bare_loop.plan(lengths, 32, seed=0)
    assert sorted(row for batch in batches for row in batch) == list(range(1000))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.05 * lengths.sum()


def test_steps_of_the_warm_up_are_not_counted() -> None:
    watch = Watch(warmup=2, steps=3, device="cpu")
    for rows in watch.timed(range(1, 8)):
        mask = torch.ones(rows, 10)
        mask[:, 5:] = 0
        watch.after_step(mask)
    measured = watch.result()
    assert (measured.steps, measured.instances, measured.tokens) == (3, 3 + 4 + 5, 5 * (3 + 4 + 5))


def test_the_script_for_a_gpu_prints_its_parts_and_goes_on_where_it_was(tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "gpu.sh"

    def run() -> subprocess.CompletedProcess[str]:
        words = ["bash", str(script), str(tmp_path), "cpu"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    first = run()
    assert first.returncode == 0, first.stderr
    parts = ["correctness", "jobs", "methods", "speed_tiny"]
    assert re.findall(r"^## (\w+)$", first.stdout, re.MULTILINE) == parts
    assert "ok    killed at a checkpoint and run again" in first.stdout
    assert "WRONG" not in first.stdout
    assert re.search(r"^\| nash_mtl \| \d", first.stdout, re.MULTILINE)
    (tmp_path / "jobs.md").write_text("as before\n")
    again = run()
    assert again.stderr == "", "nothing is run twice"
    assert "## jobs\n\nas before" in again.stdout


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    def measured(speed: float) -> Measurement:
        return Measurement(1, 100, 1000, 100 / speed, 0.0, 0)

    rounds = [
        {"tlbench": measured(a), "bare loop": measured(b)}
        for a, b in ((60, 40), (30, 10), (50, 25))
    ]
    text = comparison.table(["rte", "mnli"], rounds)
    assert "rte+mnli" in text
    assert "2.00 (1.50 to 3.00)" in text
    assert "50.0" in text  # the median of tlbench's instances a second


def test_the_command_measures_and_writes_what_it_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    speed.main(
        [
            "--tasks",
            "rte",
            "--encoder",
            "tiny",
            "--steps",
            "2",
            "--batch-size",
            "8",
            "--rounds",
            "1",
            "--contenders",
            "tlbench",
            "bare loop",
            "--out",
            str(file),
        ]
    )
    (measured_case,) = json.loads(file.read_text())["cases"]
    (of_round,) = measured_case["rounds"]
    assert measured_case["tasks"] == ["rte"]
    assert {name: m["instances"] for name, m in of_round.items()} == {
        "tlbench": 16,
        "bare loop": 16,
    }
    assert all(m["anonymous_bytes"] > 2**26 for m in of_round.values())
    printed = capsys.readouterr().out
    chosen = re.search(r"precisions: tlbench (\w+), bare loop (\w+)", printed)
    assert chosen
    assert [m["precision"] for m in of_round.values()] == list(chosen.groups())
    assert all(f"{n} ({p})" in printed for n in of_round for p in ("bf16", "float32"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_the_command_says_so() -> None:
    with pytest.raises(SystemExit, match=r"Change --device to cpu: there is no CUDA device here\."):
        speed.main(["--device", "cuda"])


@pytest.mark.parametrize(
    ("name", "millions"),
    [("minilm", 22.6), ("distilroberta", 81.5)],  # without their poolers
)
def test_shapes_are_those_of_the_encoders(name: str, millions: float, tmp_path: Path) -> None:
    with torch.device("meta"):
        overrides = shapes.overrides(f"shape:{name}", tmp_path)
        encoder = parse_config(compose_config("suite=generated", *overrides)).encoder
        size = sum(p.numel() for p in load_encoder(encoder).parameters()) / 1e6
    assert size == pytest.approx(millions, abs=0.1)


def test_an_unknown_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Change --encoder: the shapes are"):
        shapes.overrides("shape:elmo", tmp_path)
    assert shapes.overrides("minilm", tmp_path) == ("encoder=minilm",)


def test_memory_is_watched_from_outside(tmp_path: Path) -> None:
    hold = "import time; x = bytearray(200 * 2**20); time.sleep(0.5); print(len(x))"
    printed, peak = run_python(["-c", hold], tmp_path)
    assert printed.strip() == str(200 * 2**20)
    assert 200 * 2**20 < peak < 300 * 2**20
    with pytest.raises(SystemExit, match="no good"):
        run_python(["-c", "import sys; sys.exit('no good')"], tmp_path)


def test_the_memory_benchmarks_config_is_one(tmp_path: Path) -> None:
    cfg = compose_config(*memory.overrides(1234, 5))
    assert cfg.target_task.source.train == cfg.support_task.source.train == 1234


def test_predictions_are_timed_beside_a_pipeline_and_weighed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.csv"
    predict.write_rows(mine, 9, None)
    few = ["--encoder", "tiny", "--timed", "9", "--rows", "30", "--rounds", "1"]
    predict.main([*few, "--batch-sizes", "4", "--file", str(mine)])
    said = capsys.readouterr().out
    assert "tlbench, bf16-true " in said
    assert "pipeline, bf16-true, batches of 4 " in said
    (peak,) = re.findall(r"tlbench-predict, 30 rows: peak of (\d+) MiB", said)
    assert 100 < int(peak) < 10_000


def test_predicted_rows_differ_in_length(tmp_path: Path) -> None:
    predict.write_rows(tmp_path / "rows.csv", 100, None)
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    lengths = [len(row["text_a"].split()) for row in rows]
    assert len(rows) == 100
    assert max(lengths) > 4 * min(lengths)


def test_imports_are_found(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("")
    assert startup.imports(["-c", "import json, torch"], tmp_path)[1] == ["torch"]
    assert startup.imports(["-c", "import json"], tmp_path)[1] == []


def test_every_sweep_of_small_stages_is_trained_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs tlbench[parallel]")
    files_there: list[int] = []

    def run(arguments: Sequence[str], folder: Path) -> tuple[str, int]:
        files_there.append(len(list(folder.rglob("*"))))
        (folder / "multirun").mkdir()  # as a sweep would leave its store
        return "", 0

    monkeypatch.setattr(jobs, "run_python", run)
    jobs.main(["--jobs", "1", "2", "--rounds", "1"])
    assert files_there == [0, 0, 0]
    assert "2 at a time: " in capsys.readouterr().out
