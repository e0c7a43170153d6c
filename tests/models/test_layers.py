"""Heads that read layers of an encoder: features, gradients, what is computed and trained."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from scripts.encoder_families import save
from tlbench.config.schema import Encoder, Source, Task
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.features import PLAIN, Kernels
from tlbench.models.layers import freeze_above, hidden_states, layer_to_read
from tlbench.models.multitask import MultiTaskModel
from tlbench.models.probe import try_encoder
from tlbench.models.trainable import train_top_only
from tlbench.tasks.kinds import head_name

LAYERS = 4
COUNTS = (3, 2, 3)
LENGTHS = (9, 3, 14, 5, 14, 7, 4, 11)
KERNELS = {
    "unpadded": Kernels("unpadded", on_cpu=True),
    "jagged": Kernels("unpadded", on_cpu=False),
    "first_token": Kernels("first_token", on_cpu=True),
    "plain": PLAIN,
}


def tasks(*layers: int | None) -> list[Task]:
    """Return a classification, a tagging task and a regression whose heads read these layers."""
    made = [
        Task("a", ["x", "y"], ["accuracy"], ["accuracy"], Source("generated")),
        Task("b", ["N", "V"], ["accuracy"], ["accuracy"], Source("generated"), kind="tagging"),
        Task("c", None, ["pearson"], ["pearson"], Source("generated")),
    ]
    return [replace(task, head_layer=layer) for task, layer in zip(made, layers, strict=True)]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Encoder]:
    """A small random encoder of a family, of four layers."""

    def encoder(family: str = "bert", checkpointing: bool = False) -> Encoder:
        save(family, tmp_path / family, num_hidden_layers=LAYERS)
        name = str(tmp_path / family)
        return Encoder(name, None, False, None, 64, gradient_checkpointing=checkpointing)

    return encoder


def inputs() -> dict[str, Tensor]:
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    ids = torch.randint(5, 300, mask.shape, generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids * mask, "attention_mask": mask}


def words() -> tuple[Tensor, ...]:
    none = torch.empty(0, dtype=torch.long)
    return (none.new_empty(3, 0), torch.tensor([[1, 2, 3], [1, 4, -1]]), none.new_empty(3, 0))


def without_dropout(model: MultiTaskModel) -> MultiTaskModel:
    for module in model.modules():
        if isinstance(getattr(module, "p", None), float):
            module.p = 0.0
    return model.train()


def model_of(encoder: Encoder, kernels: Kernels, *layers: int | None) -> MultiTaskModel:
    torch.manual_seed(0)
    model = MultiTaskModel(load_encoder(encoder), tasks(*layers), "per_task")
    model.use(kernels)
    return without_dropout(model)


def logits_by_transformers(model: MultiTaskModel, *layers: int) -> list[Tensor]:
    """Return the logits of heads from one padded forward of transformers, with all its states."""
    states = model.encoder(**inputs(), output_hidden_states=True).hidden_states
    rows = torch.split(torch.arange(sum(COUNTS)), COUNTS)
    (of_words,) = (one for one in words() if one.numel())
    a, c = (
        model.heads[f"head_{name}"](states[layers[at]][rows[at], 0])
        for name, at in [("a", 0), ("c", 2)]
    )
    read = states[layers[1]][rows[1][:, None].expand_as(of_words), of_words.clamp(min=0)]
    b = model.heads["head_b"](read).masked_fill(of_words[..., None] < 0, -torch.inf)
    return [a, b, c]


def gradients(model: MultiTaskModel, logits: list[Tensor]) -> dict[str, Tensor]:
    model.zero_grad()
    total = sum((i + 1) * one[one.isfinite()].pow(2).sum() for i, one in enumerate(logits))
    total.backward()  # type: ignore[union-attr]
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("layers", "kernels", "checkpointing"),
    [
        *(((2, 1, None), kernels, False) for kernels in KERNELS),
        *(((1, 2, 2), kernels, False) for kernels in KERNELS),
        ((None, 3, 2), "unpadded", False),
        ((4, 1, None), "first_token", False),
        ((3, 3, 3), "unpadded", False),
        ((2, 1, None), "unpadded", True),
        ((2, 1, 3), "first_token", True),
    ],
)
def test_logits_and_gradients_are_those_of_a_padded_forward_of_transformers(
    make: Callable[..., Encoder], layers: tuple[int | None, ...], kernels: str, checkpointing: bool
) -> None:
    plain = model_of(make(), PLAIN, *layers)
    expected = logits_by_transformers(plain, *(layer or LAYERS for layer in layers))
    of_expected = gradients(plain, expected)
    model = model_of(make(checkpointing=checkpointing), KERNELS[kernels], *layers)
    logits = model(inputs(), COUNTS, LENGTHS, words())
    for one, other in zip(logits, expected, strict=True):
        assert torch.equal(one == -torch.inf, other == -torch.inf)
        assert torch.allclose(one.nan_to_num(neginf=0), other.nan_to_num(neginf=0), atol=1e-5)
    of_logits = gradients(model, logits)
    highest = max(layer or LAYERS for layer in layers)
    own = {n for n in of_expected if not any(f"layer.{k}." in n for k in range(highest, LAYERS))}
    assert of_logits.keys() == own
    for name in own:
        assert torch.allclose(of_logits[name], of_expected[name], rtol=1e-3, atol=1e-5), name


@pytest.mark.parametrize(
    "family", ["bert", "distilbert", "deberta-v2", "modernbert", "eurobert", "mpnet"]
)
def test_a_layer_gives_what_the_encoder_that_is_cut_behind_it_gives(
    make: Callable[..., Encoder], family: str
) -> None:
    encoder = make(family)
    torch.manual_seed(0)
    whole = load_encoder(encoder).eval()
    cut = load_encoder(replace(encoder, num_hidden_layers=2)).eval()
    cut.load_state_dict({k: v for k, v in whole.state_dict().items() if k in cut.state_dict()})
    expected = cut(**inputs()).last_hidden_state
    (alone,), (beside, _) = (
        hidden_states(whole, inputs(), [2]),
        hidden_states(whole, inputs(), [2, 4]),
    )
    mask = inputs()["attention_mask"] == 1
    for found in (alone, beside):
        assert torch.allclose(found[mask], expected[mask], atol=1e-6)
    assert not torch.allclose(whole(**inputs()).last_hidden_state[mask], expected[mask], atol=1e-3)


@pytest.fixture
def computed() -> Callable[[Any], list[int]]:
    """Watch which layers an encoder computes."""

    def watch(stack: Any) -> list[int]:
        seen: list[int] = []
        for number, layer in enumerate(stack, start=1):
            layer.register_forward_hook(lambda *_, number=number: seen.append(number))
        return seen

    return watch


def test_layers_above_are_not_computed_and_in_evaluation_only_those_of_the_rows(
    make: Callable[..., Encoder], computed: Callable[[Any], list[int]]
) -> None:
    model = model_of(make(), PLAIN, 2, 1, 3)
    seen = computed(model.encoder.encoder.layer)
    model(inputs(), (8, 0, 0), LENGTHS)
    assert seen == [1, 2, 3]  # devices exchange gradients of all weights that are trained
    seen.clear()
    found = model.eval()(inputs(), (8, 0, 0), LENGTHS)
    assert seen == [1, 2]
    assert [len(one) for one in found] == [8, 0, 0]


def test_layers_above_are_not_trained(make: Callable[..., Encoder]) -> None:
    model = model_of(make(), PLAIN, 2, 1, 3)
    freeze_above(model.encoder, max(model.layers))
    trains = [all(p.requires_grad for p in one.parameters()) for one in model.encoder.encoder.layer]
    assert trains == [True, True, True, False]
    train_top_only(model.encoder, 1, max(model.layers))
    trained = {n.split(".")[2] for n, p in model.encoder.named_parameters() if p.requires_grad}
    assert trained == {"2"}


@pytest.mark.parametrize("family", ["bert", "modernbert", "eurobert", "distilbert"])
def test_the_probe_chooses_the_kernels_that_are_used_without(
    make: Callable[..., Encoder], family: str
) -> None:
    encoder = make(family)
    for kernels in KERNELS.values():
        usual = try_encoder(encoder, [kernels, PLAIN])
        assert try_encoder(encoder, [kernels, PLAIN], [2, None]) == usual


def test_an_encoder_that_does_more_behind_its_last_layer_is_refused(
    make: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlbench.models.layers._normalised", lambda encoder, hidden: hidden)
    with pytest.raises(UserError, match=r"can't be read at layer 2.*leave out head_layer"):
        try_encoder(make("modernbert"), [PLAIN], [2, None])


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("bert", r"^Change head_layer: the encoder has 4 layers, not 5\.$"),
        ("albert", r"^Change head_layer to null: it can't be told which modules of the encoder"),
    ],
)
def test_a_layer_that_is_not_there_is_refused(
    make: Callable[..., Encoder], family: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        layer_to_read(load_encoder(make(family)), 5)


def test_tasks_share_a_head_at_the_same_layer() -> None:
    a, _, _ = tasks(None, None, None)
    at_2 = replace(a, head_layer=2)
    names: Mapping[str, str] = {
        head_name(a, "per_label_count"): "the last",
        head_name(at_2, "per_label_count"): "the second",
    }
    assert list(names) == ["labels_2", "labels_2_layer_2"]
    assert head_name(at_2, "per_task") == "a"
