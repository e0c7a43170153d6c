"""A stage with an adapter: what it trains, saves and goes on from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.support.experiments import Compose, stage_run
from tests.support.interrupting import assert_goes_on
from tests.support.stepping import Stepper, batch
from tests.training.test_ddp import SGD, train, without_dropout
from tlbench.config.schema import Adapter
from tlbench.models import adapters
from tlbench.plan.build import build
from tlbench.plan.stage import Stage
from tlbench.training.context import Needed
from tlbench.training.train import train_stage

pytest.importorskip("peft", reason="needs tlbench[adapters]")
__all__ = ["without_dropout"]  # a fixture, which pytest finds here

LORA = ("encoder/adapter=lora", "encoder.adapter.dropout=0.1", "optim.lr=0.01")
PAIR = ("strategy=mtl", "support_task=mnli", "target_task=rte")
METHODS = [(), ("method=pcgrad", "perturb=sam", "perturb.per_task=true"), ("optim.l2_sp=0.1",)]


def weights(folder: Path, task: str = "rte") -> dict[str, Tensor]:
    return load_file(folder / "weights" / task / "model.safetensors")


def changed(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}


def trained(stage: Stage, folder: Path, *needed: Needed) -> Needed:
    folder.mkdir()
    manifest = train_stage(stage_run(stage, folder, needed=needed), None)
    (need,) = stage.needs or [None]
    assert need is None or needed[0].need is need
    (task,) = stage.tasks
    return Needed(need, manifest, folder / "weights" / task)  # type: ignore[arg-type]


def test_a_stage_changes_what_has_an_adapter_and_the_next_one_goes_on_from_there(
    compose: Compose, tmp_path: Path
) -> None:
    cfg = compose("strategy=stilts", "support_task=qnli", "keep_weights=all", *LORA)
    final = build(cfg).plan()[-1]
    (need,) = final.needs
    first = trained(need.stage, tmp_path / "qnli")
    second = trained(final, tmp_path / "rte", Needed(need, first.manifest, first.weights))
    assert first.manifest["kernels"] == second.manifest["kernels"] == "unpadded"
    names = {
        f"encoder.layer.{layer}.attention.self.{matrix}.weight"
        for layer in (0, 1)
        for matrix in ("query", "value")
    }
    assert changed(weights(tmp_path / "qnli", "qnli"), weights(tmp_path / "rte")) == names


@pytest.mark.parametrize(("name", "options"), zip(["lora", "dora", "lora"], METHODS, strict=True))
def test_it_goes_on_from_a_checkpoint_bit_for_bit(
    compose: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: tuple[str, ...],
) -> None:
    steps = ("trainer.max_steps=8", "keep_weights=all", "micro_batch_size=5")
    (stage,) = build(compose(*PAIR, *LORA, *steps, f"encoder/adapter={name}", *options)).plan()
    assert_goes_on(stage, tmp_path, monkeypatch)


@pytest.mark.parametrize("options", [("method=pcgrad",), ("perturb=sam",)])
def test_gradients_are_of_what_is_trained_alone(options: tuple[str, ...]) -> None:
    stepper = Stepper(*options)
    adapters.inject(stepper.model.encoder, Adapter("lora"))
    trained = {name for name, one in stepper.model.named_parameters() if one.requires_grad}
    before = {name: one.detach().clone() for name, one in stepper.model.named_parameters()}
    found = stepper.gradient(batch())
    of_encoder = {name for name in trained if name.startswith("encoder.")}
    assert {name for name in found if name.startswith("encoder.")} == of_encoder
    assert all("lora_" in name for name in of_encoder)
    assert all(torch.equal(one, before[n]) for n, one in stepper.model.named_parameters())


def test_heads_begin_as_without_an_adapter(compose: Compose, tmp_path: Path) -> None:
    """So that a pair of runs of one seed, with and without, differs in what the adapter does."""
    heads = []
    for name in ("none", "lora"):
        still = (f"encoder/adapter={name}", "optim.lr=1e-30", "keep_weights=all")
        (stage,) = build(compose(*still)).plan()
        trained(stage, tmp_path / name)
        heads.append(load_file(tmp_path / name / "weights" / "rte" / "heads.safetensors"))
    plain, adapted = heads
    assert all(torch.allclose(plain[name], adapted[name], rtol=0, atol=1e-20) for name in plain)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("trainable=bias",), ".bias"),
        (("trainable=top", "trainable_layers=1"), "encoder.layer.1."),
    ],
)
def test_a_part_of_the_weights_is_trained_and_the_rest_is_that_of_the_start(
    compose: Compose, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    cfg = compose("strategy=stilts", "support_task=qnli", "keep_weights=all", "optim.lr=0.01")
    experiment = build(cfg)
    part = dict(option.split("=") for option in options)
    support = experiment.stage(experiment.supports)
    final = experiment.stage([experiment.target], start=support, **part)
    (need,) = final.needs
    first = trained(support, tmp_path / "qnli")
    trained(final, tmp_path / "rte", Needed(need, first.manifest, first.weights))
    names = changed(weights(tmp_path / "qnli", "qnli"), weights(tmp_path / "rte"))
    assert names
    assert all(expected in name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("method=nash_mtl", "micro_batch_size=2")])
def test_two_devices_train_it_as_one(
    compose: Compose, tmp_path: Path, without_dropout: str, options: tuple[str, ...]
) -> None:
    cfg = compose(
        *PAIR,
        "encoder/adapter=lora",
        f"encoder.name={without_dropout}",
        "keep_weights=all",
        "batch_size=17",
        "optim.lr=0.1",
        SGD,
        *options,
    )
    one, two = (train(cfg, tmp_path / str(devices), devices) for devices in (1, 2))
    assert (one["devices"], two["devices"]) == (1, 2)
    for task in ("mnli", "rte"):
        on_one, on_two = (weights(tmp_path / str(n), task) for n in (1, 2))
        assert all(torch.allclose(on_one[k], on_two[k], atol=1e-5, rtol=0) for k in on_one)
