import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from tests.support.experiments import Compose, Run, stage_run
from tlbench.data.batching import BatchPlan, Mixer
from tlbench.jobs.job import run_experiment
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.plan.encoder_files import locate
from tlbench.plan.schedule import EvalSteps
from tlbench.plan.stage import Stage
from tlbench.records.record import jsonable, read_record
from tlbench.store.store import CHECKPOINT
from tlbench.training import ddp, malloc
from tlbench.training.best import BestPerTask
from tlbench.training.module import MultiTaskModule
from tlbench.training.train import is_compiled, train_stage

TASKS = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]


def trained(cfg: Any, folder: Path) -> dict[str, Any]:
    (stage,) = build(cfg).plan()
    return train(stage, folder)


def train(stage: Stage, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return train_stage(stage_run(stage, folder), None)


def expected_metrics(predictions: list[float], labels: list[float]) -> dict[str, float]:
    if any(label != int(label) for label in labels):
        return {
            "pearson": pearsonr(predictions, labels).statistic,
            "spearman": spearmanr(predictions, labels).statistic,
        }
    found = {"accuracy": accuracy_score(labels, predictions)}
    if set(labels) <= {0.0, 1.0}:
        found["f1"] = f1_score(labels, predictions, zero_division=math.nan)
    return found | {"matthews": matthews_corrcoef(labels, predictions)}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["single", "mtl_all"])
def test_logged_metrics_are_scikit_learns_on_the_saved_predictions(
    compose: Compose, tmp_path: Path, strategy: str
) -> None:
    for task in TASKS if strategy == "single" else ["rte"]:
        every = f"strategy.tasks=[{','.join(TASKS)}]"
        cfg = compose(f"strategy={strategy}", f"target_task={task}", every, "optim.lr=1e-3")
        found = trained(cfg, tmp_path / task)
        for name, entry in found["tasks"].items():
            rows = pq.read_table(tmp_path / task / "predictions" / f"{name}.parquet").to_pandas()
            for split, of_split in rows.groupby("split"):
                suffix = str(split).removeprefix("dev")
                expected = expected_metrics(
                    of_split["prediction"].tolist(), of_split["label"].tolist()
                )
                for metric in {m.split("_")[0] for m in entry["metrics"]} & set(expected):
                    assert entry["metrics"][metric + suffix] == pytest.approx(
                        expected[metric], abs=1e-6, nan_ok=True
                    ), (name, split, metric)
                assert of_split["row"].is_monotonic_increasing


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("strategy=mtl_all", "strategy.tasks=[rte,stsb,mnli]", "sampling=uniform"),
        ("strategy=mtl_all", "strategy.tasks=[rte,cola]", "sampling.batches=homogeneous"),
    ],
)
def test_two_runs_with_one_seed_are_the_same(
    compose: Compose, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    cfg = compose("keep_weights=all", "optim.lr=1e-3", *overrides)
    one, two = trained(cfg, tmp_path / "1"), trained(cfg, tmp_path / "2")
    assert jsonable(one["history"]) == jsonable(two["history"])
    for file in (tmp_path / "1").rglob("*.safetensors"):
        ours, theirs = load_file(file), load_file(tmp_path / "2" / file.relative_to(tmp_path / "1"))
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    other = trained(
        compose("keep_weights=all", "optim.lr=1e-3", *overrides, "seed=1"), tmp_path / "3"
    )
    assert jsonable(other["history"]) != jsonable(one["history"])


@pytest.mark.parametrize("key", ["micro_batch_size=16", "micro_batch_tokens=256"])
def test_micro_batches_train_the_same_model(compose: Compose, tmp_path: Path, key: str) -> None:
    # Without dropout, whose masks depend on how rows are grouped; SGD shows the gradients' scale.
    common = (
        f"encoder.name={without_dropout(tmp_path / 'encoder')}",
        "strategy=mtl_all",
        "strategy.tasks=[rte,mnli]",
        "batch_size=128",
        "subsample_size={target:128,support:192}",
        "optim.lr=1e-2",
        "keep_weights=all",
        "optim.optimizer._target_=torch.optim.SGD",
        "optim.gradient_clip=null",
    )
    (stage,) = build(compose(*common)).plan()
    train(stage, tmp_path / "whole")
    (micro,) = build(compose(*common, key)).plan()
    assert micro.key == stage.key
    manifest = train(micro, tmp_path / "parts")
    name, number = key.split("=")
    assert manifest[name] == int(number)
    file = "weights/rte/model.safetensors"
    whole, parts = (load_file(tmp_path / name / file) for name in ("whole", "parts"))
    start = load_encoder(stage.config.encoder).state_dict()
    assert all(torch.allclose(value, parts[name], atol=1e-6) for name, value in whole.items())
    assert not all(torch.allclose(value, start[name], atol=1e-5) for name, value in whole.items())


def without_dropout(folder: Path) -> Path:
    source = Path(locate("package:tlbench/assets/tiny"))
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    ("total", "per_epoch", "every", "steps"),
    [
        (78, 39, 0.5, [20, 39, 58, 78]),
        (76, 38, 0.5, [19, 38, 57, 76]),
        (30, 10, 1.0, [10, 20, 30]),
        (25, 10, 1.0, [10, 20, 25]),
        (30, 10, 2.0, [20, 30]),
        (4, 1, 0.5, [1, 2, 3, 4]),
        (5, 100, 0.5, [5]),
    ],
)
def test_when_to_evaluate(total: int, per_epoch: int, every: float, steps: list[int]) -> None:
    assert list(EvalSteps(total, per_epoch, every)) == steps


def test_evaluations_come_when_announced(compose: Compose, tmp_path: Path) -> None:
    # 64 rows in batches of 16 are 4 steps an epoch; 3 epochs.
    cfg = compose("trainer.max_steps=null", "trainer.max_epochs=3")
    found = trained(cfg, tmp_path / "stage")
    assert [entry["step"] for entry in found["history"]] == [2, 4, 6, 8, 10, 12]
    assert (found["steps"], found["instances"]) == (12, 192)


def test_every_epoch_has_an_order_of_its_own(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = []
    plan = Mixer.plan

    def watched(mixer: Mixer, epoch: int, shares: Any) -> list[BatchPlan]:
        epochs.append(epoch)
        return plan(mixer, epoch, shares)

    monkeypatch.setattr(Mixer, "plan", watched)
    trained(compose("trainer.max_steps=null", "trainer.max_epochs=3"), tmp_path / "stage")
    assert epochs == [0, 1, 2]


def test_the_best_evaluation_is_reported_and_its_weights_kept(
    compose: Compose, tmp_path: Path
) -> None:
    cfg = compose(
        "trainer.max_steps=24", "trainer.max_epochs=6", "optim.lr=2e-3", "target_task=sst2"
    )
    found = trained(cfg, tmp_path / "stage")
    scores = [entry["tasks"]["sst2"]["dev"]["score"] for entry in found["history"]]
    best = found["tasks"]["sst2"]
    assert best["score"] == max(scores)
    assert best["step"] == found["history"][scores.index(max(scores))]["step"]
    assert found["weights"] == ["sst2"]
    names = {file.name for file in (tmp_path / "stage" / "weights" / "sst2").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "heads.safetensors"} <= names


def test_held_out_rows_select_and_dev_only_reports(compose: Compose, tmp_path: Path) -> None:
    cfg = compose(
        "selection=held_out",
        "trainer.max_steps=12",
        "trainer.max_epochs=4",
        "optim.lr=2e-3",
        "subsample_size.target=100",
        "target_task=sst2",
    )
    found = trained(cfg, tmp_path / "stage")
    best = found["tasks"]["sst2"]
    held = [entry["tasks"]["sst2"]["held_out"]["score"] for entry in found["history"]]
    dev = {entry["step"]: entry["tasks"]["sst2"]["dev"]["score"] for entry in found["history"]}
    assert best["selected_by"] == max(held)
    assert best["score"] == dev[best["step"]]
    assert best["train_rows"] == 90
    rows = pq.read_table(tmp_path / "stage" / "predictions" / "sst2.parquet").to_pandas()
    assert rows.groupby("split").size().to_dict() == {"dev": 64, "held_out": 10}


def test_early_stopping(compose: Compose, tmp_path: Path) -> None:
    # A learning rate that changes nothing: the first evaluation stays the best.
    cfg = compose(
        "trainer.max_steps=null",
        "trainer.max_epochs=50",
        "optim.lr=1e-12",
        "trainer.early_stopping=3",
    )
    found = trained(cfg, tmp_path / "stage")
    assert len(found["history"]) == 4


def test_stilts_starts_from_the_supports_best_weights(run: Run, tmp_path: Path) -> None:
    # The target stage learns nothing, so its encoder is the one it started from.
    overrides = ("strategy=stilts", "support_task=sst2", "keep_weights=all", "optim.lr=1e-3")
    first, second = run(*overrides).stage_keys
    store = tmp_path / "store"
    started = load_file(store / first / "weights" / "sst2" / "model.safetensors")
    frozen = run(*overrides, "optim.lr=1e-15").stage_keys
    begun = load_file(store / frozen[0] / "weights" / "sst2" / "model.safetensors")
    ended = load_file(store / frozen[1] / "weights" / "rte" / "model.safetensors")
    assert all(torch.allclose(value, begun[name], atol=1e-9) for name, value in ended.items())
    assert not all(torch.equal(value, started[name]) for name, value in begun.items())
    assert second != frozen[1]


@pytest.mark.slow
@pytest.mark.parametrize(("heads", "carried"), [("per_label_count", True), ("per_task", False)])
@pytest.mark.parametrize("first_under", ["per_label_count", "per_task"])
def test_only_shared_heads_are_carried_over(
    run: Run, tmp_path: Path, heads: str, carried: bool, first_under: str
) -> None:
    # The support alone is one stage whatever heads is set, so who trains it must not matter.
    still = ("keep_weights=all", "optim.lr=1e-15", "seed=3")
    (first,) = run("target_task=sst2", f"heads={first_under}", *still).stage_keys
    chain = run("strategy=stilts", "support_task=sst2", f"heads={heads}", *still).stage_keys
    assert chain[0] == first
    ours, theirs = (
        load_file(tmp_path / "store" / key / "weights" / task / "heads.safetensors")
        for key, task in zip(chain, ("sst2", "rte"), strict=True)
    )
    # Where no head is carried over both are fresh, but drawn after different numbers of draws.
    assert torch.allclose(ours["dense.weight"], theirs["dense.weight"], atol=1e-9) == carried


@pytest.mark.parametrize("keep", ["needed", "all", "none"])
def test_keep_weights(run: Run, tmp_path: Path, keep: str) -> None:
    single, pair = (
        run(f"keep_weights={keep}"),
        run(f"keep_weights={keep}", "strategy=mtl", "support_task=mnli"),
    )
    kept = [
        sorted(path.name for path in (tmp_path / "store" / key / "weights").glob("*"))
        for key in (single.stage_keys[0], pair.stage_keys[0])
    ]
    assert (
        kept == {"needed": [["rte"], []], "all": [["rte"], ["mnli", "rte"]], "none": [[], []]}[keep]
    )


def test_weights_that_were_not_kept_are_trained_again_when_needed(
    compose: Compose, tmp_path: Path
) -> None:
    alone = compose("target_task=mnli", "keep_weights=none")
    run_experiment(alone, tmp_path / "alone", in_sweep=False)
    chain = compose("strategy=stilts", "support_task=mnli", "keep_weights=none")
    run_experiment(chain, tmp_path / "chain", in_sweep=False)
    record = read_record(tmp_path / "chain" / "result.json")
    assert record.instances_reused == 0
    assert read_record(tmp_path / "alone" / "result.json").stage_keys == record.stage_keys[:1]


@pytest.mark.parametrize(
    ("asked", "cuda", "steps", "compiles"),
    [
        ("auto", False, 10**6, False),
        ("auto", True, 10**6, True),
        ("auto", True, 10, False),
        (True, False, 10, True),
        ("true", False, 10, True),
        (False, True, 10**6, False),
    ],
)
def test_the_encoder_is_compiled_where_it_pays_or_is_asked_for(
    compose: Compose,
    monkeypatch: pytest.MonkeyPatch,
    asked: object,
    cuda: bool,
    steps: int,
    compiles: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    trainer = build(compose("trainer.accelerator=auto")).config.trainer
    trainer.compile = asked
    assert is_compiled(trainer, steps) == compiles


BAD = [math.nan, math.inf]


@pytest.mark.parametrize("cuda", [False, True])
def test_freed_memory_is_kept_where_a_cpu_trains(
    cuda: bool, compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(malloc, "keep_freed", lambda: calls.append("kept"))
    monkeypatch.setattr(ddp, "on_cuda", lambda _: cuda)
    monkeypatch.setattr(ddp, "count_devices", lambda _: 1)
    trained(compose("trainer.max_steps=2"), tmp_path / "stage")
    assert calls == ([] if cuda else ["kept"])


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Multiply the loss of the third step, and so its gradients, by a number."""

    def by(factor: float) -> None:
        losses, calls = MultiTaskModel.losses, []

        def spoilt(model: MultiTaskModel, batch: Any) -> list[torch.Tensor]:
            calls.append(batch)
            found = losses(model, batch)
            return [one * factor for one in found] if len(calls) == 3 else found

        monkeypatch.setattr(MultiTaskModel, "losses", spoilt)

    return by


LONGER = ("trainer.max_steps=null", "trainer.max_epochs=3")  # 12 steps, evaluated at every second


@pytest.mark.parametrize("clip", ["1.0", "null"])
@pytest.mark.parametrize("factor", BAD)
def test_one_loss_that_is_not_finite_is_a_divergence_that_ends_the_stage(
    compose: Compose, tmp_path: Path, spoil: Any, factor: float, clip: str
) -> None:
    spoil(factor)
    found = trained(compose(*LONGER, f"optim.gradient_clip={clip}"), tmp_path / "stage")
    assert [entry["step"] for entry in found["history"]] == [2, 4]
    assert found["diverged"].startswith("after step 4 of 12 the loss on rte was not finite")
    entry = found["tasks"]["rte"]
    # The evaluation before was fine, and a score of it would look like the training's.
    assert not math.isnan(found["history"][0]["tasks"]["rte"]["dev"]["score"])
    assert (entry["score"], entry["selected_by"], entry["metrics"]) == (
        None,
        None,
        {"accuracy": None},
    )
    assert math.isnan(found["history"][1]["tasks"]["rte"]["dev"]["accuracy"])


def test_a_step_with_infinite_gradients_that_is_skipped_is_no_divergence(
    compose: Compose, tmp_path: Path, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def skip(module: MultiTaskModule, optimizer: torch.optim.Optimizer) -> None:
        # As the gradient scaler of trainer.precision=16-mixed does, which only a GPU has.
        if not all(p.grad is None or p.grad.isfinite().all() for p in module.parameters()):
            optimizer.zero_grad()

    monkeypatch.setattr(MultiTaskModule, "on_before_optimizer_step", skip)
    spoil(math.inf)
    found = trained(compose(*LONGER), tmp_path / "stage")
    assert found["diverged"] is None
    assert len(found["history"]) == 6
    assert found["tasks"]["rte"]["score"] is not None


def test_all_tasks_of_a_stage_diverge_together(compose: Compose, tmp_path: Path) -> None:
    tasks = ("strategy=mtl_all", "strategy.tasks=[rte,stsb]", "optim.lr=1e6")
    found = trained(compose(*tasks), tmp_path / "stage")
    assert {entry["score"] for entry in found["tasks"].values()} == {None}


def test_a_stage_that_has_diverged_ends_there_when_it_is_gone_on_with(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = compose(*LONGER, "optim.lr=1e6", "trainer.checkpoint_steps=1")
    whole = trained(cfg, tmp_path / "whole")
    (stage,) = build(cfg).plan()
    run = stage_run(stage, tmp_path / "cut")
    run.folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(BestPerTask, "finish", kill)
        with pytest.raises(KeyboardInterrupt):
            train_stage(run, None)
    again = train_stage(run, None)
    for name in ("diverged", "history", "steps", "instances", "tasks"):
        assert json.dumps(again[name]) == json.dumps(whole[name]), name


def kill(*_: Any) -> None:
    raise KeyboardInterrupt


class Evil:
    """A pickle of it writes a file where it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return Path.touch, (self.file,)


def test_a_pickle_in_a_checkpoint_runs_no_code(compose: Compose, tmp_path: Path) -> None:
    (stage,) = build(compose()).plan()
    run = stage_run(stage, tmp_path / "stage")
    run.folder.mkdir()
    torch.save({"global_step": 1, "callbacks": Evil(tmp_path / "ran")}, run.folder / CHECKPOINT)
    assert train_stage(run, None)["steps"] == 4
    assert not (tmp_path / "ran").exists()


def test_a_flipped_byte_in_predictions_is_noticed_by_whoever_reads_them(
    compose: Compose, tmp_path: Path
) -> None:
    trained(compose(), tmp_path / "stage")
    file = tmp_path / "stage" / "predictions" / "rte.parquet"
    row_group = pq.ParquetFile(file).metadata.row_group(0)
    columns = [row_group.column(i) for i in range(row_group.num_columns)]
    (logits,) = (column for column in columns if column.path_in_schema == "logit_0")
    first = logits.dictionary_page_offset or logits.data_page_offset
    content = bytearray(file.read_bytes())
    content[first + logits.total_compressed_size - 1] ^= 1
    file.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(file, page_checksum_verification=True)
