import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from tests.models.kernels.test_dropout import inputs
from tlbench.models.kernels.dropout import use_fast_kernels
from tlbench.models.kernels.first_token import read_first_token_only

LIKE_BERT = ["bert", "roberta", "electra", "xlm-roberta", "camembert"]


def encoder(family: str, attention: str = "sdpa") -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family,
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        n_layers=2,
        n_heads=2,
        dim=32,
        hidden_dim=48,
        embedding_size=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model: PreTrainedModel = AutoModel.from_config(config, attn_implementation=attention)
    return model


def outcome(model: PreTrainedModel) -> dict[str, Tensor]:
    """The first token's features, and the gradients of something made of them."""
    features = model(**inputs()).last_hidden_state[:, 0]
    weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    (features * weights).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"features": features.detach(), **gradients}


@pytest.mark.parametrize("attention", ["eager", "sdpa", "tlbench"])
@pytest.mark.parametrize("family", LIKE_BERT)
@pytest.mark.parametrize("training", [True, False])
def test_features_and_gradients_are_those_of_the_whole_layer(
    family: str, attention: str, training: bool
) -> None:
    whole, first = (encoder(family, attention).train(training) for _ in range(2))
    assert read_first_token_only(first)
    assert first(**inputs()).last_hidden_state.shape == (4, 1, 32)
    expected, computed = outcome(whole), outcome(first)
    assert computed.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(value, computed[name], rtol=1e-3, atol=1e-5), name


def test_dropout_is_still_there() -> None:
    torch.manual_seed(0)
    model = encoder("bert").train()
    model.config.attention_probs_dropout_prob = 0.5
    last = model.encoder.layer[-1]
    last.attention.self.dropout.p = 0.5
    use_fast_kernels(model)
    read_first_token_only(model)
    once, again = (model(**inputs()).last_hidden_state for _ in range(2))
    assert not torch.equal(once, again)
    model.eval()
    once, again = (model(**inputs()).last_hidden_state for _ in range(2))
    assert torch.equal(once, again)


@pytest.mark.parametrize("family", ["distilbert", "albert", "deberta-v2", "mpnet"])
def test_other_families_are_left_as_they_are(family: str) -> None:
    model = encoder(family, "eager")
    assert not read_first_token_only(model)
    assert model(**inputs()).last_hidden_state.shape == (4, 9, 32)


def test_weights_keep_their_names() -> None:
    model = encoder("bert")
    before = set(model.state_dict())
    read_first_token_only(model)
    assert set(model.state_dict()) == before
