"""``trainable=heads``: heads learn, and the encoder is bit for bit that of the start."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.models.test_multitask import TASKS, batch
from tests.support.experiments import Compose, stage_run
from tests.support.interrupting import assert_goes_on
from tests.training.test_ddp import train, without_dropout
from tlbench.config.schema import Encoder
from tlbench.models.encoder import load_encoder
from tlbench.models.features import PLAIN, Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.training.context import Needed
from tlbench.training.optimization import make_optimizer
from tlbench.training.train import train_stage

__all__ = ["without_dropout"]  # a fixture, which pytest finds here

KERNELS = [
    PLAIN,
    Kernels("plain", on_cpu=True),
    Kernels("first_token", on_cpu=False),
    Kernels("first_token", on_cpu=True),
    Kernels("unpadded", on_cpu=True),
]


def frozen(kernels: Kernels) -> MultiTaskModel:
    torch.manual_seed(0)
    encoder = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
    model = MultiTaskModel(encoder, TASKS, "per_task")
    model.use(kernels)
    model.freeze_encoder()
    return model


@pytest.mark.parametrize("kernels", KERNELS, ids=str)
def test_no_gradient_goes_into_the_encoder_and_its_features_are_those_of_evaluation(
    kernels: Kernels,
) -> None:
    model, rows = frozen(kernels).train(), batch()
    given: list[torch.Tensor] = []
    for head in model.heads.values():
        head.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    model.loss(rows).backward()  # type: ignore[no-untyped-call]
    assert not any(features.requires_grad for features in given)
    assert all(one.grad is None for one in model.encoder.parameters())
    of_three = [model.heads[f"head_{name}"] for name in "abc"]
    assert all(one.grad is not None for head in of_three for one in head.parameters())
    in_training = list(given)
    del given[:]
    model.eval()(rows.inputs, rows.counts)
    assert all(torch.equal(*both) for both in zip(in_training, given, strict=True))


def test_heads_are_trained_with_dropout_and_a_frozen_encoder_without() -> None:
    model = frozen(PLAIN)
    for mode in (True, False, True):
        model.train(mode)
        assert not any(module.training for module in model.encoder.modules())
        assert all(module.training == mode for module in model.heads.modules())


def test_the_optimizer_has_no_frozen_parameter(compose: Compose) -> None:
    model = frozen(PLAIN)
    optimizer = make_optimizer(build(compose()).config.optim, model.parameters())
    optimized = {id(one) for group in optimizer.param_groups for one in group["params"]}
    assert optimized == {id(one) for one in model.heads.parameters()}


STRONG = ("optim.lr=0.1", "optim.weight_decay=0.5", "trainer.max_steps=8", "keep_weights=all")


@pytest.mark.parametrize("options", [("fast_kernels=true",), ("fast_kernels=false",)])
def test_the_encoder_is_bit_for_bit_the_starts_afterwards(
    compose: Compose, tmp_path: Path, recwarn: pytest.WarningsRecorder, options: tuple[str, ...]
) -> None:
    experiment = build(compose("strategy=stilts", "support_task=qnli", *STRONG, *options))
    support = experiment.stage(experiment.supports)
    probe = experiment.stage([experiment.target], start=support, trainable="heads")
    (tmp_path / "support").mkdir()
    (tmp_path / "probe").mkdir()
    first = train_stage(stage_run(support, tmp_path / "support"), None)
    start = tmp_path / "support" / "weights" / "qnli"
    (need,) = probe.needs
    needed = (Needed(need, first, start),)
    manifest = train_stage(stage_run(probe, tmp_path / "probe", needed=needed), None)
    end = tmp_path / "probe" / "weights" / "rte"
    before, after = (load_file(folder / "model.safetensors") for folder in (start, end))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    heads = [load_file(folder / "heads.safetensors") for folder in (start, end)]
    assert not torch.equal(heads[0]["dense.weight"], heads[1]["dense.weight"])
    assert manifest["steps"] == 8
    assert not [one for one in recwarn if "eval mode" in str(one.message)], "it is meant to be"


def test_it_goes_on_from_a_checkpoint_bit_for_bit(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stage,) = build(compose("trainable=heads", *STRONG)).plan()
    assert_goes_on(stage, tmp_path, monkeypatch)


@pytest.mark.slow
def test_two_devices_train_heads_as_one(
    compose: Compose, tmp_path: Path, without_dropout: str
) -> None:
    cfg = compose(
        "trainable=heads",
        f"encoder.name={without_dropout}",
        "keep_weights=all",
        "optim.lr=0.01",
        "trainer.max_steps=6",
        "batch_size=17",
    )
    one, two = (train(cfg, tmp_path / str(devices), devices) for devices in (1, 2))
    assert (one["devices"], two["devices"]) == (1, 2)
    files = [
        [load_file(tmp_path / str(n) / "weights" / "rte" / file) for n in (1, 2)]
        for file in ("model.safetensors", "heads.safetensors")
    ]
    (encoder, same), (head, other) = files
    assert all(torch.equal(encoder[name], same[name]) for name in encoder)
    for name, value in head.items():
        assert torch.allclose(value, other[name], atol=1e-5, rtol=0), name
