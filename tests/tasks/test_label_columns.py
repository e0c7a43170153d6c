"""Several label columns on the same rows: files, batches, one forward, resume, and a run."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.support.commands import Command
from tests.support.experiments import Compose
from tests.support.interrupting import assert_goes_on
from tlbench.config.schema import Config, Source, Task
from tlbench.config.validation import parse_config
from tlbench.data.batch import Batch
from tlbench.data.collation import MultiTaskDataset
from tlbench.data.shared_rows import RowGroup, expanded, row_groups
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.features import PLAIN, Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import from_config
from tlbench.plan.schedule import Schedule
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.definition import check_task
from tlbench.tasks.label_columns import same_rows
from tlbench.training.datamodule import MultiTaskDataModule

COLUMNS = {"mood": "mood", "stars": "stars", "topics": "topics"}
ROWS = 120


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of reviews with three columns of labels, each of which has empty cells."""
    rng = np.random.default_rng(0)
    words = np.array(["film", "good", "bad", "was", "the", "not", "it", "is"])
    rows = []
    for number in range(ROWS):
        text = " ".join(rng.choice(words, rng.integers(2, 9))) + f" {number}"
        mood = "up" if "good" in text else "down"
        stars = str(len(text.split()))
        topics = ";".join(name for name in ("film", "bad") if name in text) or "none"
        cells = [mood, stars, topics]
        left = [cell if rng.random() < 0.7 else "" for cell in cells]
        rows.append([text, *left])
    frame = pd.DataFrame(rows, columns=["text", "mood", "stars", "topics"])
    frame.loc[0, ["mood", "stars", "topics"]] = ""  # of no use to anybody
    frame.loc[1, ["mood", "stars", "topics"]] = cells
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    return tmp_path / "reviews.csv"


def tasks(file: Path, **changed: Any) -> dict[str, Task]:
    source = Source(path=str(file), text=["text"], label=COLUMNS, dev=0.25, **changed)
    several = replace(source, separator=";")
    names = ["film", "bad", "none"]
    made = [
        Task("mood", ["down", "up"], ["accuracy"], ["accuracy"], source),
        Task("stars", None, ["pearson"], ["pearson"], source),
        Task("topics", names, ["micro_f1"], ["micro_f1"], several, kind="multilabel"),
    ]
    return {task.name: task for task in made}


@pytest.fixture
def stage(compose: Compose, file: Path) -> Callable[..., TrainStage]:
    """The stage that trains tasks of the file together, and maybe one of other rows."""

    def make(*overrides: str, names: Sequence[str] = ("mood", "stars", "topics")) -> TrainStage:
        own = tasks(file)
        config: Config = parse_config(compose("strategy=single", *overrides))
        if "sst2" in names:
            own["sst2"] = parse_config(compose("target_task=sst2")).target_task
        made = [from_config(replace(config, target_task=own[name])) for name in names]
        return made[0].stage([one.target for one in made])

    return make


def data_of(stage: TrainStage) -> MultiTaskDataModule:
    data = MultiTaskDataModule(stage)
    data.setup()
    return data


def model_of(data: MultiTaskDataModule, kernels: Kernels = PLAIN) -> MultiTaskModel:
    torch.manual_seed(0)
    made = [rows.task for rows in data.train]
    model = MultiTaskModel(load_encoder(data.config.encoder), made, "per_task")
    model.use(kernels)
    return model.train(False)


def apart(data: MultiTaskDataModule, plan: Any) -> Batch:
    """The batch of a plan with each task's rows by themselves."""
    rows = MultiTaskDataset(data.train, data.tokenizer, data.config)
    rows.encodes_once = False
    return rows[plan]


@pytest.mark.parametrize("features", ["plain", "unpadded", "first_token"])
@pytest.mark.parametrize("rows", [None, 1, 5])
def test_a_row_trains_all_its_heads_in_one_forward_with_the_loss_of_as_many_tasks(
    stage: Callable[..., TrainStage], features: Any, rows: int | None
) -> None:
    data = data_of(stage("batch_size=24", names=("mood", "stars", "topics", "sst2")))
    plan = data.batches(0)[0]
    batch, usual = next(iter(data.train_dataloader())), apart(data, plan)
    encoded = sum(len(of_group) for _, of_group in plan)
    assert len(batch.inputs["input_ids"]) == encoded == batch.rows == 24
    assert sum(batch.counts) == len(usual.inputs["input_ids"]) > encoded
    model = model_of(data, Kernels(features, on_cpu=True))
    seen: list[int] = []
    model.encoder.embeddings.register_forward_hook(lambda *a: seen.append(len(a[-1])))
    expected = model.losses(usual)
    (loss := model.loss(usual)).backward()
    gradient = model.encoder.embeddings.word_embeddings.weight.grad.clone()
    model.zero_grad()
    seen.clear()
    pieces = list(batch.micro_batches(rows))
    losses = [model.losses(piece) for piece in pieces]
    total = sum(one.weighted(of_tasks) for one, of_tasks in zip(pieces, losses, strict=True))
    total.backward()
    assert sum(seen) == encoded
    assert max(seen) <= (rows or 24)
    for of_task, truth in zip(zip(*losses, strict=True), expected, strict=True):
        assert torch.allclose(torch.cat(of_task), truth, atol=1e-6)
    assert torch.allclose(total, loss, atol=1e-6)
    shared = model.encoder.embeddings.word_embeddings.weight.grad
    assert torch.allclose(shared, gradient, atol=1e-6)


def test_each_epoch_has_every_row_that_has_a_label_once(stage: Callable[..., TrainStage]) -> None:
    made = stage("batch_size=16", "sampling=size")
    data = data_of(made)
    plans = data.batches(0)
    drawn = np.sort(np.concatenate([rows for plan in plans for _, rows in plan]))
    assert np.array_equal(drawn, np.arange(len(data.groups[0])))
    by_task: list[list[int]] = [[] for _ in data.train]
    for plan in plans:
        positions, _ = expanded(plan, data.groups)
        for of_task, rows in zip(by_task, positions, strict=True):
            of_task += rows.tolist()
    for of_task, rows in zip(by_task, data.train, strict=True):
        assert sorted(of_task) == list(range(len(rows.used)))
        assert not np.isnan(rows.used_labels.numpy()).any()
    planned = Schedule.planned(made)
    assert data.schedule.mixer.sizes[0] <= planned.mixer.sizes[0] <= ROWS
    assert data.shares_of_tasks() == [[1.0, 1.0, 1.0]]


def test_tasks_are_cut_and_drawn_alike(stage: Callable[..., TrainStage]) -> None:
    data = data_of(stage("subsample_size.target=60", "subsample_size.dev=20"))
    whole = [splits(rows.task)["train"].load(data.config.cache_dir) for rows in data.train]
    texts = [one["text_a"] for one in whole]
    assert texts[0] == texts[1] == texts[2]
    assert len(data.groups[0]) <= 60
    dev = {
        t
        for r in data.evaluated
        for t in splits(r.task)["dev"].load(data.config.cache_dir)["text_a"]
    }
    assert not dev & {*texts[0]}


def test_what_is_drawn_together_is_in_the_key_and_a_number_is_a_name(
    stage: Callable[..., TrainStage], file: Path
) -> None:
    both = stage(names=("mood", "stars"))
    assert both.fingerprint()["same_rows"] == [["mood", "stars"]]
    assert "same_rows" not in stage(names=("mood", "sst2")).fingerprint()
    assert Source(label=3).label == "3"
    assert Source(label={"mood": 3}).label == {"mood": "3"}


def test_a_row_without_any_label_is_none(file: Path, tmp_path: Path) -> None:
    mood = splits(tasks(file)["mood"])
    texts = [t for one in mood.values() for t in one.load(str(tmp_path / "cache"))["text_a"]]
    first, second = pd.read_csv(file).text[:2]
    assert first not in texts
    assert second in texts


def test_groups_are_of_tasks_of_one_source(file: Path, tmp_path: Path) -> None:
    own = tasks(file)
    other = replace(own["mood"], source=replace(own["mood"].source, dev=0.1))
    plain = replace(own["mood"], source=replace(own["mood"].source, label="mood"))
    assert same_rows([own["mood"], plain, own["topics"], other]) == [(0, 2), (1,), (3,)]
    assert same_rows([plain, plain]) == [(0,), (1,)]
    used = [np.array([1, 3, 5]), np.array([0, 1]), np.array([3, 4])]
    shared, alone = row_groups([own["mood"], plain, own["topics"]], used)
    assert shared.positions.tolist() == [[0, 1, -1, 2], [-1, 0, 1, -1]]
    assert alone == RowGroup((1,), alone.positions)
    positions, numbers = expanded([(0, np.array([3, 1, 2])), (1, np.array([0]))], [shared, alone])
    assert [one.tolist() for one in positions] == [[2, 1], [0], [0, 1]]
    assert numbers.tolist() == [0, 1, 3, 1, 2]


@pytest.mark.parametrize("more", ["micro_batch_size=5", "method=pcgrad", "group_by_length=true"])
def test_a_killed_stage_ends_as_if_it_had_not_been(
    stage: Callable[..., TrainStage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: str,
) -> None:
    length = ("batch_size=16", "trainer.max_epochs=2", "trainer.max_steps=null", "optim.lr=1e-3")
    assert_goes_on(stage(*length, "keep_weights=all", more), tmp_path, monkeypatch)


def test_two_devices_have_its_loss_with_each_tasks_rows_by_themselves(
    stage: Callable[..., TrainStage],
) -> None:
    data = data_of(stage("batch_size=24"))
    plan = data.batches(0)[0]
    model = model_of(data)
    whole = model.loss(next(iter(data.train_dataloader())))
    of_ranks = [
        MultiTaskDataset(data.train, data.tokenizer, data.config, rank, 2)[plan] for rank in (0, 1)
    ]
    assert [batch.reads for batch in of_ranks] == [(), ()]
    assert torch.allclose(sum(map(model.loss, of_ranks)) / 2, whole, atol=1e-6)


@pytest.mark.parametrize("method", ["pcgrad", "sum"])
def test_where_gradients_are_made_task_by_task_each_has_its_own_rows(
    stage: Callable[..., TrainStage], method: str
) -> None:
    data = data_of(stage(f"method={method}", "batch_size=16"))
    batch = next(iter(data.train_dataloader()))
    assert bool(batch.reads) == (method == "sum")
    assert batch.rows == (16 if method == "sum" else sum(batch.counts))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            {"mood": "moods"},
            r"^Change source.text or source.label of task 'mood': .*no column 'moods'",
        ),
        (
            {"mod": "mood"},
            r"^Change source.label of task 'mood': it names columns of mod, and",
        ),
        ({"mood": 3}, r"^Change source.text or source.label of task 'mood': .*no column '3'"),
        ({"mood": []}, r"^Change source.label of task 'mood': \[\] of 'mood' is no column"),
        ({"mood": "text"}, r"^Change source.text of task 'mood': 'text' is the column of a label"),
        ({"mood": "stars"}, r"^Change labels \(or source.values\) of task 'mood'.* has the label"),
        (["mood"], r"^Change source.label of task 'mood': name a column, or by task a column each"),
    ],
)
def test_what_can_not_be_read_is_one_sentence(
    file: Path, tmp_path: Path, label: Any, message: str
) -> None:
    mood = tasks(file)["mood"]
    mood = replace(mood, source=replace(mood.source, label=label))

    def read() -> None:
        check_task(mood)
        splits(mood)["train"].load(str(tmp_path / "cache"))

    with pytest.raises(UserError, match=message):
        read()


def test_a_column_without_labels_and_shares_of_its_own_are_refused(
    stage: Callable[..., TrainStage], file: Path
) -> None:
    with pytest.raises(
        UserError, match=r"^Change sampling: dynamic .* mood, stars are on the same"
    ):
        stage("sampling=dynamic", "sampling.mode=gap", names=("mood", "stars")).check()
    frame = pd.read_csv(file, dtype=str)
    frame.assign(stars="").to_csv(file, index=False)
    message = (
        r"^Change source.label of task 'stars'.*column 'stars' is empty in all 80 rows of train"
    )
    with pytest.raises(UserError, match=message):
        stage()


DEFINITION = """
name: mood
labels: [down, up]
score: [accuracy]
metrics: [accuracy]
source: {path: reviews.csv, text: text, label: {mood: mood, stars: stars}, dev: 0.25, test: 0.1}
"""
OTHER = """
defaults: [mood]
name: stars
labels: null
score: [pearson]
metrics: [pearson]
"""


def test_from_a_file_to_predictions_by_command_line(
    command: Command, tmp_path: Path, file: Path
) -> None:
    (tmp_path / "conf" / "target_task").mkdir(parents=True)
    for name, text in (("mood", DEFINITION), ("stars", OTHER)):
        (tmp_path / "conf" / "target_task" / f"{name}.yaml").write_text(text)
    options = ("suite=generated", "encoder=tiny", "logger=none", "store_dir=store", "optim.lr=1e-3")
    mix = ("target_task=mood", "support_task=stars", "strategy=mtl", "keep_weights=all")
    length = ("trainer.max_steps=8", "batch_size=16", "encoder.max_length=16")
    ran = command("--config-dir", "conf", *options, *mix, *length)
    assert ran.returncode == 0, ran.stderr
    (record,) = (tmp_path / "multirun").rglob("result.json")
    found = json.loads(record.read_text())
    frame = pd.read_csv(file, dtype=str).dropna(subset=["mood", "stars"], how="all")
    (made,) = (tmp_path / "store").glob("*/stage.json")
    for name in ("mood", "stars"):
        saved = pd.read_parquet(made.parent / "predictions" / f"{name}.parquet")
        assert 0 < len(saved) < len(frame)
        assert saved.label.notna().all()
    rows = json.loads(made.read_text())["tasks"]
    apart = [rows[name]["train_rows"] for name in ("mood", "stars")]
    assert sum(apart) > 0.65 * len(frame) + 1 > max(apart)
    assert found["instances"] == found["passes"] <= 8 * 16
    exported = command(
        str(record.parent), "--task", "stars", "--out", "m", module="tlbench.cli.export"
    )
    assert exported.returncode == 0, exported.stderr
    told = command("m", str(file), "--out", "said.jsonl", module="tlbench.cli.predict")
    assert told.returncode == 0, told.stderr
    assert len((tmp_path / "said.jsonl").read_text().splitlines()) == ROWS
