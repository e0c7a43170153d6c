"""Self-training: which labels a teacher gives, which are taken, and what an interrupt leaves."""

import json
import logging
import random
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
from tlbench.plan.schedule import Schedule
from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.plan.stage import Stage
from tlbench.training import self_trained
from tlbench.training.context import Needed, StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.pseudo_labels import PseudoLabels, taken, unlabelled_rows

UNLABELLED = ("strategy=self_training", "support_task=unlabelled")
STUDENT = (*UNLABELLED, "target_task=rte", "subsample_size.dev=40")
LONG = ("optim.lr=1e-3", "trainer.max_steps=null", "trainer.max_epochs=3")
SMALL = ("subsample_size.target=32", "subsample_size.support=48")


def plan(compose: Compose, *overrides: str) -> list[Stage]:
    return build(compose(*STUDENT, *overrides)).plan()


def test_the_teacher_is_the_stage_of_single(compose: Compose) -> None:
    teacher, student = plan(compose, *LONG, *SMALL)
    assert isinstance(student, SelfTrainedStage)
    assert student.title == "rte with unlabelled by rte"
    assert student.start is None
    alone = build(compose(*STUDENT[2:], *LONG, *SMALL)).plan()
    assert [stage.key for stage in alone] == [teacher.key]
    schedule = Schedule.planned(student)
    assert schedule.sizes == (32 + 48,)
    assert schedule.evaluated_rows == 6 * 40 + 48


def test_what_its_stages_hash(compose: Compose) -> None:
    keys = [stage.key for stage in plan(compose)]
    for change in ("self_training.threshold=0.6", "self_training.balance=true"):
        changed = [stage.key for stage in plan(compose, change)]
        assert changed[0] == keys[0]
        assert changed[1] != keys[1]
    fewer = [stage.key for stage in plan(compose, "subsample_size.support=32")]
    assert fewer[0] == keys[0]
    assert fewer[1] != keys[1]
    single = [
        build(compose("target_task=rte", one)).plan()[0].key
        for one in ("seed=0", "self_training.threshold=0.6")
    ]
    assert single[0] == single[1]


@pytest.mark.parametrize("target", ["stsb", "topics", "mentions", "causes"])
def test_rows_that_are_not_of_one_class_are_refused(compose: Compose, target: str) -> None:
    with pytest.raises(UserError, match=r"^Change target_task, or strategy: self_training labels"):
        build(compose(*UNLABELLED, f"target_task={target}")).plan()


def test_a_target_with_groups_and_a_class_loss_is_a_student_too(run: Run) -> None:
    grouped = ("target_task=mnli_negation", "subsample_size.dev=200", "subsample_size.support=48")
    record = run(*UNLABELLED, *grouped, "+target_task.loss.class_weights=balanced")
    assert record.train_rows == {"mnli_negation": 128, "unlabelled": 48}
    assert record.groups is not None
    assert len(record.groups) == 6


def test_a_support_with_labels_is_refused(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^Change support_task to unlabelled: strategy=self_train"):
        build(compose("strategy=self_training", "target_task=rte", "support_task=mnli"))


@pytest.mark.parametrize("strategy", ["mtl", "stilts", "merge"])
def test_rows_without_labels_are_no_others_support(compose: Compose, strategy: str) -> None:
    with pytest.raises(UserError, match=r"^Change strategy to self_training, or support_task"):
        build(compose(f"strategy={strategy}", "target_task=rte", "support_task=unlabelled"))
    several = ("strategy=mtl_many", "strategy.tasks=[unlabelled]", "target_task=rte")
    with pytest.raises(UserError, match=r"^Change strategy, or support_task: rows of 'unlabelled'"):
        build(compose(*several)).plan()


def test_rows_of_other_tasks_are_refused(compose: Compose) -> None:
    experiment = build(compose(*STUDENT))
    other = build(compose(*STUDENT, "subsample_size.target=32"))
    stage = experiment.stage([experiment.target])
    (unlabelled,) = experiment.supports
    of_other = experiment.self_trained(stage, unlabelled, other.stage([other.target]))
    with pytest.raises(UserError, match="trains one task by a stage that has trained on the same"):
        of_other.check()
    of_target = experiment.self_trained(stage, experiment.target, stage)
    with pytest.raises(UserError, match=r"^Change support_task to unlabelled, or head of 'rte'"):
        of_target.check()


SURE = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.55, 0.45], [0.05, 0.95]])


@pytest.mark.parametrize(
    ("threshold", "balance", "rows"),
    [
        (0.0, False, [0, 1, 2, 3, 4, 5]),
        (0.7, False, [0, 2, 3, 5]),
        (0.0, True, [0, 2, 4, 5]),
        (0.6, True, [0, 5]),
        (0.92, False, [5]),
        (0.92, True, []),
        (1.0, False, []),
    ],
)
def test_the_surest_are_taken_and_of_every_class_alike(
    threshold: float, balance: bool, rows: list[int]
) -> None:
    assert taken(SURE, threshold, balance).tolist() == rows


@given(logits=st.lists(st.tuples(*[st.floats(-5, 5)] * 3), max_size=40), least=st.floats(0, 1))
def test_what_is_taken_is_what_was_asked(logits: list[Any], least: float) -> None:
    odds = np.exp(np.array(logits).reshape(-1, 3))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    assert taken(probabilities, 0, False).tolist() == list(range(len(logits)))
    sure = taken(probabilities, least, False)
    balanced = taken(probabilities, least, True)
    assert {*balanced} <= {*sure}
    assert (probabilities[sure].max(axis=1) >= least).all()
    counts = np.bincount(probabilities.argmax(axis=1)[balanced], minlength=3)
    assert len({*counts.tolist()}) == 1
    fewest = np.bincount(probabilities.argmax(axis=1)[sure], minlength=3).min()
    assert counts[0] == fewest


def made(compose: Compose, run: Run, tmp_path: Path, *overrides: str) -> tuple[Any, list[Path]]:
    record = run(*STUDENT, *LONG, *SMALL, *overrides)
    return record, [tmp_path / "store" / key for key in record.stage_keys]


def test_the_labels_are_those_of_the_teacher_on_rows_that_it_has_not_drawn(
    compose: Compose, run: Run, tmp_path: Path
) -> None:
    record, (first, second) = made(compose, run, tmp_path)
    assert record.train_rows == {"rte": 64, "unlabelled": 48}
    assert record.dev_read_by == ["weights of rte"]
    stage = build(compose(*STUDENT, *LONG, *SMALL)).plan()[1]
    data = MultiTaskDataModule(stage)
    data.setup()
    rows = unlabelled_rows(data)
    assert not {*rows.used.tolist()} & {*data.drawn[0].used.tolist()}
    weights = first / "weights" / "rte"
    model = MultiTaskModel(load_encoder(stage.config.encoder, weights), [rows.task], "per_task")
    model.load_head(rows.task, weights / "heads.safetensors")
    batch = MultiTaskDataset([rows], data.tokenizer, data.config)[[(0, np.arange(48))]]
    with torch.no_grad():
        (logits,) = model.eval()(batch.inputs, batch.counts)
    labels = dict(zip(batch.ids.tolist(), logits.argmax(dim=1).tolist(), strict=True))
    found = PseudoLabels.read(second)
    assert dict(zip(found.rows.tolist(), found.labels.tolist(), strict=True)) == labels
    manifest = json.loads((second / "stage.json").read_text())
    right = int((logits.argmax(dim=1) == batch.labels[0]).sum())
    of_classes = logits.argmax(dim=1).bincount(minlength=2).tolist()
    counts = dict(zip(rows.task.labels or [], of_classes, strict=True))
    expected = {"task": "unlabelled", "rows": 48, "of": 48, "labels": counts, "right": right}
    assert manifest["pseudo_labels"] == record.stages[1]["pseudo_labels"] == expected
    assert manifest["tasks"]["rte"]["train_rows"] == 32
    assert manifest["instances"] == 3 * (32 + 48)


def test_a_student_trains_its_own_rows_with_their_labels_and_others_with_the_teacher_s(
    compose: Compose,
) -> None:
    stage = plan(compose, *SMALL)[1]
    plain = MultiTaskDataModule(stage)
    plain.setup()
    more = unlabelled_rows(plain)
    chosen = more.used[3:9]
    labels = PseudoLabels(chosen, np.array([0, 1, 1, 0, 1, 1]))
    data = MultiTaskDataModule(stage, change=labels)
    data.setup()
    (own,), (rows,) = data.drawn, data.train
    assert len(rows.used) == 32 + 6
    assert rows.used_labels.tolist() == [*own.used_labels.tolist(), 0, 1, 1, 0, 1, 1]
    tokens = rows.tokens[rows.used.tolist()]["input_ids"]
    assert tokens[:32] == own.tokens[own.used.tolist()]["input_ids"]
    assert tokens[32:] == more.tokens[chosen.tolist()]["input_ids"]
    assert data.schedule.sizes == (38,)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "weights" / "rte" / "model.safetensors")


def _same(one: Path, other: Path) -> bool:
    of_other = _weights(other)
    return all(torch.equal(value, of_other[name]) for name, value in _weights(one).items())


def test_without_a_row_that_is_taken_the_target_is_trained_alone_and_it_is_said(
    compose: Compose, run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    none = ("keep_weights=all", "self_training.threshold=1")
    record, (first, second) = made(compose, run, tmp_path, *none)
    assert record.stages[1]["pseudo_labels"]["rows"] == 0
    assert record.train_rows == {"rte": 64, "unlabelled": 0}
    assert "no row of unlabelled is taken" in caplog.text
    assert _same(first, second)


def test_a_teacher_that_labels_all_rows_the_same_is_said(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    said = "the teacher has labelled all rows of unlabelled that are taken the same"
    record = run(*STUDENT, *SMALL, "trainer.max_steps=4")
    labels = [count for count in record.stages[1]["pseudo_labels"]["labels"].values() if count]
    assert (said in caplog.text) == (len(labels) == 1)
    assert len(labels) == 1


class StoppedError(Exception):
    """Stands for a kill."""


def test_an_interrupted_training_goes_on_with_the_labels_that_it_began_with(
    compose: Compose, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (first, whole) = made(compose, run, tmp_path, "keep_weights=all")
    second = plan(compose, *LONG, *SMALL, "keep_weights=all")[1]
    manifest = json.loads((first / "stage.json").read_text())
    folder = tmp_path / "work"
    folder.mkdir()
    needed = (Needed(second.needs[0], manifest, first / "weights" / "rte"),)
    context: StageContext = stage_run(second, folder, needed=needed)

    def stop(*_: Any) -> Any:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(self_trained, "train_stage", stop)
        with pytest.raises(StoppedError):
            self_trained.train_student(context, None)
    monkeypatch.setattr(self_trained, "evaluate_weights", stop)  # nor does it label them again
    again = self_trained.train_student(context, None)
    assert again["pseudo_labels"] == json.loads((whole / "stage.json").read_text())["pseudo_labels"]
    assert _same(folder, whole)


def test_a_dry_run_counts_both_stages(command: Callable[..., Any]) -> None:
    said = command("debug=fast", *STUDENT, "hydra.sweeper.dry_run=true")
    assert said.returncode == 0, said.stderr
    assert "self_training rte<-unlabelled s0: 2 stages" in said.stdout
    assert "unlabelled train: 64 rows without labels" in said.stdout
    assert "rte with unlabelled by rte: 64 rows, to train" in said.stdout


@pytest.mark.slow
def test_two_devices_give_the_same_labels_and_train_alike(
    compose: Compose, run: Run, tmp_path: Path
) -> None:
    _, (first, one) = made(compose, run, tmp_path)
    manifest = json.loads((first / "stage.json").read_text())
    cfg = compose(*STUDENT, *LONG, *SMALL)
    cfg.trainer.devices = 2
    second = build(cfg).plan()[1]
    folder = tmp_path / "two"
    folder.mkdir()
    needed = (Needed(second.needs[0], manifest, first / "weights" / "rte"),)
    found = self_trained.train_student(stage_run(second, folder, needed=needed), None)
    labels, expected = PseudoLabels.read(folder), PseudoLabels.read(one)
    assert labels.rows.tolist() == expected.rows.tolist()
    assert labels.labels.tolist() == expected.labels.tolist()
    assert found["devices"] == 2


WORDS = (
    "animal animals cat cats dog dogs horse horses rabbit rabbits bird birds duck ducks crow "
    "pet pets hound hounds creature creatures bunny bunnies doctor doctors baker bakers lawyer "
    "lawyers painter painters singer singers artist artists worker workers child children kid "
    "kids boy boys girl girls people person human humans physician attorney song",
    "machine machines robot robots drone drones android androids device devices car cars truck "
    "trucks lorry lorries boat boats vehicle vehicles automobile film movie story script scene "
    "plot cast ending run walk sprint stroll chase follow hunt watch observe push pull drag "
    "shove talk speak whisper shout yell sleep sit relax rest help assist",
)


def plant(folder: Path, train: int = 1050, dev: int = 400) -> str:
    """Write texts of two words of one class each; 50 rows have about half of all words.

    Returns:
        The override that has rte read them.
    """
    draw = random.Random(0)
    words = [text.split() for text in WORDS]
    # Each text once, so that none is both trained on and scored.
    texts = [sorted({f"{a} {b}" for a in of for b in of}) for of in words]
    for of_class in texts:
        draw.shuffle(of_class)
    for split, count in {"train": train, "dev": dev}.items():
        with (folder / f"{split}.jsonl").open("w") as file:
            for number in range(count):
                text = texts[number % 2].pop()
                label = ("entailment", "not_entailment")[number % 2]
                file.write(json.dumps({"text": text, "label": label}) + "\n")
    files = "train:train.jsonl,dev:dev.jsonl,text:[text],label:label"
    return f"++suite.sources.rte={{format:jsonl,path:'{folder}',{files}}}"


@pytest.mark.slow
def test_rows_without_labels_help_where_their_words_tell_more(run: Run, tmp_path: Path) -> None:
    world = (plant(tmp_path), "target_task=rte", "subsample_size.target=50")
    sizes = ("subsample_size.support=1000", "subsample_size.dev=null", "eval_every=60")
    length = ("trainer.max_epochs=60", "trainer.max_steps=200", "optim.lr=1e-3", "selection=dev")
    scores: dict[str, list[float]] = {"single": [], "self_training": []}
    for seed in range(4):
        for strategy, of_seed in scores.items():
            support = "none" if strategy == "single" else "unlabelled"
            chosen = (f"strategy={strategy}", f"support_task={support}", f"seed={seed}")
            record = run(*world, *sizes, *length, *chosen)
            assert record.score is not None
            of_seed.append(record.score)
            print(strategy, seed, record.score, record.stages[-1].get("pseudo_labels"))
    gains = np.subtract(scores["self_training"], scores["single"])
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    print(scores, gains.mean(), error)
    # It was 2.3 of them where it was measured; other processors round otherwise.
    assert gains.mean() > error
