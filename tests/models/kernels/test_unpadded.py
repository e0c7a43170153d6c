import pytest
import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel

from tests.models.kernels.test_first_token import LIKE_BERT, encoder
from tests.support.experiments import Compose
from tlbench.models.kernels import unpadded
from tlbench.models.kernels.dropout import FastDropout, use_fast_kernels
from tlbench.models.kernels.unpadded import PaddedLayout, can_unpad
from tlbench.models.layers import count_layers
from tlbench.plan.build import build
from tlbench.training.train import choose_kernels

LENGTHS = [40, 3, 17, 40, 8, 33]


def first_token_features(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    layout = PaddedLayout.of(batch["attention_mask"])
    (first,) = unpadded.layer_features(model, batch, layout, {count_layers(model): False})
    return first


def inputs(types: bool) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 300, (len(LENGTHS), 40), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(40) < torch.tensor(LENGTHS)[:, None]).long()
    second = {"token_type_ids": (torch.arange(40) > 12).long() * mask} if types else {}
    return {"input_ids": torch.where(mask == 1, ids, 1), "attention_mask": mask, **second}


@pytest.mark.parametrize("family", LIKE_BERT)
@pytest.mark.parametrize("dropping", [False, True])
def test_features_and_gradients_are_those_of_the_encoder(
    family: str, dropping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = inputs(types=family in ("bert", "electra"))
    outcomes = []
    for unpads in (True, False):
        model = encoder(family).train()
        if unpads and dropping:  # the branch with dropout, with a mask that drops nothing
            nothing = lambda like, p: (torch.ones_like(like), 1.0)  # noqa: E731
            monkeypatch.setattr("tlbench.models.kernels.dropout.keep_mask", nothing)
            use_fast_kernels(model)
            for layer in model.modules():
                if isinstance(layer, FastDropout):
                    layer.p = 0.1
        assert can_unpad(model)
        features = (
            first_token_features(model, batch) if unpads else model(**batch).last_hidden_state[:, 0]
        )
        weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
        (features * weights).sum().backward()
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        outcomes.append({"features": features.detach(), **gradients})
    assert outcomes[0].keys() == outcomes[1].keys()
    for name, value in outcomes[1].items():
        assert torch.allclose(value, outcomes[0][name], rtol=1e-3, atol=1e-5), name


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_in_16_bits_it_is_as_near_as_they_allow(precision: torch.dtype) -> None:
    model = encoder("bert").eval()
    with torch.no_grad():
        whole = first_token_features(model, inputs(types=True))
        with torch.autocast("cpu", dtype=precision):
            half = first_token_features(model, inputs(types=True))
    assert torch.allclose(whole, half.float(), atol=0.05)


@pytest.mark.parametrize("family", ["distilbert", "albert", "deberta-v2", "mpnet"])
def test_other_families_keep_their_own_forward(family: str) -> None:
    assert not can_unpad(encoder(family, "eager"))


def test_an_electra_with_small_embeddings_keeps_its_own() -> None:
    config = AutoConfig.for_model(
        "electra",
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        embedding_size=16,
    )
    assert not can_unpad(AutoModel.from_config(config))


@pytest.mark.parametrize(
    ("override", "unpads"),
    [
        ("trainer.compile=auto", True),
        ("trainer.compile=true", False),
        ("fast_kernels=false", False),
    ],
)
def test_when_a_stage_unpads(compose: Compose, override: str, unpads: bool) -> None:
    (stage,) = build(compose(override)).plan()
    assert (choose_kernels(stage).features == "unpadded") == unpads
