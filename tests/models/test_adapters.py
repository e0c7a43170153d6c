"""Adapters in encoders: what they train, with every kernel, and merged into what is saved."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from tests.support.stepping import TASKS, batch
from tlbench.config.schema import Adapter, Encoder
from tlbench.errors import UserError
from tlbench.models import adapters
from tlbench.models.encoder import load_encoder, load_tokenizer
from tlbench.models.features import PLAIN, Kernels, features
from tlbench.models.kernels.dropout import FastDropout
from tlbench.models.multitask import MultiTaskModel
from tlbench.models.probe import try_encoder
from tlbench.training.best_weights import save_weights

pytest.importorskip("peft", reason="needs tlbench[adapters]")

TINY = Encoder("package:tlbench/assets/tiny", None, False, None, 64)
BOTH = ("lora", "dora")
FAST = [
    Kernels("plain", on_cpu=True),
    Kernels("first_token", on_cpu=False),
    Kernels("first_token", on_cpu=True),
    Kernels("unpadded", on_cpu=True),
]
OWN = ("lora_A", "lora_B", "lora_magnitude_vector")


def adapted(name: str, kernels: Kernels = PLAIN, start: Path | None = None) -> MultiTaskModel:
    """A model with an adapter on all linear layers that has an effect, as after a training."""
    torch.manual_seed(0)
    model = MultiTaskModel(load_encoder(TINY, start), TASKS, "per_task")
    adapters.inject(model.encoder, Adapter(name, r=4, target_modules="all-linear"))
    model.use(kernels)
    torch.manual_seed(1)
    with torch.no_grad():
        for one in model.encoder.parameters():
            if one.requires_grad:
                one.add_(torch.randn_like(one), alpha=0.05)
    return model.eval()


def features_of(encoder: PreTrainedModel, kernels: Kernels = PLAIN) -> Tensor:
    with torch.no_grad():
        return features(encoder, batch().inputs, kernels)


@pytest.mark.parametrize("name", BOTH)
def test_it_begins_without_an_effect_and_nothing_else_of_the_encoder_is_trained(name: str) -> None:
    torch.manual_seed(0)
    encoder = load_encoder(TINY).eval()
    expected = features_of(encoder)
    adapters.inject(encoder, Adapter(name))
    assert torch.allclose(features_of(encoder), expected, atol=1e-6)
    trained = [n for n, one in encoder.named_parameters() if one.requires_grad]
    assert trained
    assert all(any(part in n for part in OWN) for n in trained)
    # As peft has it for BERT.
    assert {n.partition(".lora_")[0].rpartition(".")[2] for n in trained} == {"query", "value"}


def test_none_leaves_an_encoder_as_it_is() -> None:
    encoder = load_encoder(TINY)
    adapters.inject(encoder, Adapter())
    assert all(one.requires_grad for one in encoder.parameters())
    assert adapters.merged_state(encoder) is None


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("kernels", FAST, ids=str)
def test_every_kernel_gives_its_features_and_its_gradients(name: str, kernels: Kernels) -> None:
    outcomes = []
    for used in (PLAIN, kernels):
        model = adapted(name, used)
        found = features(model.encoder, batch().inputs, used)
        weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
        (found * weights).sum().backward()  # type: ignore[no-untyped-call]
        grads = {n: p.grad for n, p in model.encoder.named_parameters() if p.grad is not None}
        outcomes.append({"features": found.detach(), **grads})
    plain, fast = outcomes
    assert fast.keys() == plain.keys()
    for key, value in plain.items():
        assert torch.allclose(fast[key], value, rtol=1e-3, atol=2e-5), key
    assert not torch.allclose(plain["features"], features_of(adapted("none").encoder), atol=1e-2)


@pytest.mark.parametrize("name", BOTH)
def test_the_fastest_kernels_are_chosen_with_it(name: str) -> None:
    encoder = Encoder(**vars(TINY) | {"adapter": Adapter(name)})
    assert try_encoder(encoder, [*reversed(FAST), PLAIN]) == FAST[-1]


def test_kernels_that_pass_it_by_are_not_chosen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The probe tries kernels on the encoder with the adapter, and with one that has an effect."""
    from peft.tuners.lora import LoraLayer

    def without(encoder: PreTrainedModel, inputs: dict[str, Tensor], *_: Any) -> list[Tensor]:
        for module in encoder.modules():
            if isinstance(module, LoraLayer):
                module.scaling["default"] = 0.0
        return [encoder(**inputs).last_hidden_state[:, 0]]

    monkeypatch.setattr("tlbench.models.kernels.unpadded.layer_features", without)
    encoder = Encoder(**vars(TINY) | {"adapter": Adapter("lora", r=3)})
    assert try_encoder(encoder, [FAST[-1], PLAIN]) == PLAIN
    assert (
        "fast_kernels: unpadded features of package:tlbench/assets/tiny are not its own; off"
        in (caplog.text)
    )


def test_each_adapter_is_tried_before_anything_is_trained() -> None:
    assert try_encoder(TINY, [PLAIN]) == PLAIN
    wrong = Encoder(**vars(TINY) | {"adapter": Adapter("lora", target_modules=["qeury"])})
    with pytest.raises(UserError, match=r"^Change encoder.adapter.target_modules: the encoder has"):
        try_encoder(wrong, [PLAIN])


def test_its_dropout_is_a_fast_one_too() -> None:
    model = MultiTaskModel(load_encoder(TINY), TASKS, "per_task")
    adapters.inject(model.encoder, Adapter("lora", dropout=0.3))
    model.use(FAST[-1])
    found = [one.p for one in model.encoder.modules() if isinstance(one, FastDropout)]
    assert found.count(0.3) == 2 * model.encoder.config.num_hidden_layers
    assert not [one for one in model.encoder.modules() if type(one) is torch.nn.Dropout]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("kernels", [PLAIN, *FAST], ids=str)
def test_merged_saved_and_loaded_it_gives_what_it_gave(
    name: str, kernels: Kernels, tmp_path: Path
) -> None:
    model = adapted(name, kernels)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    expected = features_of(model.encoder, kernels)
    save_weights(model, load_tokenizer(TINY.name, None), "a", tmp_path / "best")
    loaded = load_encoder(TINY, tmp_path / "best").eval()
    assert (features_of(loaded) - expected).abs().max() < 1e-5
    assert (features_of(loaded) - features_of(adapted("none").encoder)).abs().max() > 1e-2
    saved = load_file(tmp_path / "best" / "model.safetensors")
    assert saved.keys() == load_encoder(TINY).state_dict().keys()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


def merged_and_parts(name: str) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """A layer's merged weight, its own, what is added to it, and the adapter's state."""
    model = adapted(name)
    state, key = adapters.merged_state(model.encoder), "encoder.layer.0.intermediate.dense"
    assert state is not None
    own = {n: one for n, one in model.encoder.state_dict().items() if n.startswith(key)}
    a, b = (own[f"{key}.lora_{n}.default.weight"] for n in "AB")
    magnitude = {n: one for n, one in own.items() if "magnitude" in n}
    return state[f"{key}.weight"], own[f"{key}.base_layer.weight"], 16 / 4 * b @ a, magnitude


def test_lora_adds_a_product_of_low_rank() -> None:
    merged, own, added, _ = merged_and_parts("lora")
    assert torch.allclose(merged, own + added, atol=1e-6)
    assert torch.linalg.matrix_rank(merged - own, rtol=1e-3) == 4


def test_dora_sets_the_length_of_each_outputs_weights() -> None:
    merged, own, added, (magnitude) = merged_and_parts("dora")
    (length,) = magnitude.values()
    total = own + added
    expected = length[:, None] * total / total.norm(dim=1, keepdim=True)
    assert torch.allclose(merged, expected, atol=1e-6)
    assert torch.allclose(merged.norm(dim=1), length.abs(), atol=1e-5)


def test_what_starts_from_a_merged_one_gets_a_new_one(tmp_path: Path) -> None:
    first = adapted("lora")
    save_weights(first, load_tokenizer(TINY.name, None), "a", tmp_path / "best")
    second = load_encoder(TINY, tmp_path / "best").eval()
    adapters.inject(second, Adapter("lora"))
    assert (features_of(second) - features_of(first.encoder)).abs().max() < 1e-5
    assert not any(one.any() for n, one in second.named_parameters() if "lora_B" in n)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["query", "qeury"], "the encoder has no module 'qeury'; it has dense, key, query, value."),
        (["uery"], "the encoder has no module 'uery'"),
        (["LayerNorm"], r"they can't have an adapter \(Target module LayerNorm"),
    ],
)
def test_modules_that_cannot_have_one_are_refused(modules: list[str], message: str) -> None:
    with pytest.raises(UserError, match=f"^Change encoder.adapter.target_modules: {message}"):
        adapters.inject(load_encoder(TINY), Adapter("lora", target_modules=modules))


def test_a_place_among_the_layers_is_a_name_too() -> None:
    encoder = load_encoder(TINY)
    adapters.inject(encoder, Adapter("lora", target_modules=["attention.output.dense"]))
    trained = [n for n, one in encoder.named_parameters() if one.requires_grad]
    assert len(trained) == 2 * encoder.config.num_hidden_layers


def distilbert() -> PreTrainedModel:
    config = AutoConfig.for_model(
        "distilbert", vocab_size=40, dim=16, hidden_dim=16, n_layers=2, n_heads=2
    )
    model: PreTrainedModel = AutoModel.from_config(config)
    return model


def test_an_architecture_that_peft_does_not_know_needs_names() -> None:
    with pytest.raises(UserError) as refused:
        adapters.inject(distilbert(), Adapter("lora"))
    assert str(refused.value) == (
        "Change encoder.adapter.target_modules: peft has no default for distilbert; give "
        "all-linear, or some of k_lin, lin1, lin2, out_lin, q_lin, v_lin."
    )
    encoder = distilbert()
    adapters.inject(encoder, Adapter("lora", target_modules="all-linear"))
    assert len([one for one in encoder.parameters() if one.requires_grad]) == 2 * 2 * 6
