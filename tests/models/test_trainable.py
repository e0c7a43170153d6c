"""Which weights of an encoder are trained: its biases, or its last layers."""

import pytest
import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel

from tests.models.kernels.test_first_token import LIKE_BERT, encoder
from tlbench.errors import UserError
from tlbench.models.trainable import train_biases_only, train_top_only


def trained(model: PreTrainedModel) -> set[str]:
    return {name for name, one in model.named_parameters() if one.requires_grad}


def modernbert() -> PreTrainedModel:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = AutoConfig.for_model("modernbert", vocab_size=40, num_hidden_layers=3, **sizes)
    config.pad_token_id = 0
    model: PreTrainedModel = AutoModel.from_config(config)
    return model


@pytest.mark.parametrize("family", [*LIKE_BERT, "distilbert", "deberta-v2"])
def test_biases_alone(family: str) -> None:
    model = encoder(family, "eager")
    train_biases_only(model)
    names = {name for name, _ in model.named_parameters()}
    assert trained(model) == {name for name in names if name.rpartition(".")[2] == "bias"}
    vectors = [one for one in model.parameters() if one.requires_grad]
    assert all(one.ndim == 1 for one in vectors)


def test_an_encoder_without_biases_is_refused() -> None:
    with pytest.raises(UserError, match=r"^Change trainable: the encoder \(modernbert\) has no b"):
        train_biases_only(modernbert())


@pytest.mark.parametrize("family", [*LIKE_BERT, "distilbert", "deberta-v2"])
def test_the_last_layers_alone(family: str) -> None:
    model = encoder(family, "eager")
    train_top_only(model, 1)
    last = model.config.num_hidden_layers - 1
    layers = {name for name, _ in model.named_parameters() if f".{last}." in name}
    assert layers
    assert trained(model) == layers


def test_of_other_families_too() -> None:
    model = modernbert()
    train_top_only(model, 2)
    assert {name.partition(".")[2].partition(".")[0] for name in trained(model)} == {"1", "2"}
    assert all(name.startswith("layers.") for name in trained(model))


def test_no_gradient_is_computed_below_them() -> None:
    model = encoder("bert").eval()
    train_top_only(model, 1)
    inside: list[bool] = []
    model.encoder.layer[-1].register_forward_pre_hook(
        lambda _, inputs: inside.append(inputs[0].requires_grad)
    )
    ids = torch.ones(2, 5, dtype=torch.long)
    assert model(input_ids=ids).last_hidden_state.requires_grad
    assert inside == [False]


def test_more_layers_than_there_are_are_refused() -> None:
    model = encoder("bert")
    count = model.config.num_hidden_layers
    with pytest.raises(UserError, match=f"^Change trainable_layers: heads read {count} layers"):
        train_top_only(model, count + 1)


def test_layers_that_cannot_be_told_are_refused() -> None:
    model = encoder("bert")
    model.config.num_hidden_layers = 77
    with pytest.raises(UserError, match=r"^Change trainable: it can.t be told which modules"):
        train_top_only(model, 1)
