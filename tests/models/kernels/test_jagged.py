"""The arithmetic of the unpadded encoder on a GPU, on tensors of a CPU."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PreTrainedModel

from tlbench.models.features import PLAIN, Kernels, features, prepare, supports
from tlbench.models.kernels.jagged import JaggedLayout, attend

JAGGED = Kernels("unpadded", on_cpu=False)
LENGTHS = [40, 3, 17, 40, 8, 33]
FAMILIES = ["bert", "roberta", "xlm-roberta", "modernbert", "eurobert", "distilbert", "nomic_bert"]


def encoder(family: str) -> PreTrainedModel:
    """One whose rows are longer than its window, if it has one, and that attends to all it may."""
    torch.manual_seed(0)
    windowed = {"local_attention": 16, "global_attn_every_n_layers": 3}
    config = AutoConfig.for_model(
        family,
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=48,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=3,
        **({"cls_token_id": 2, "sep_token_id": 3, **windowed} if family == "modernbert" else {}),
    )
    model: PreTrainedModel = AutoModel.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()  # type: ignore[no-untyped-call]


def inputs() -> dict[str, Tensor]:
    ids = torch.randint(5, 300, (len(LENGTHS), 40), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(40) < torch.tensor(LENGTHS)[:, None]).long()
    return {"input_ids": torch.where(mask == 1, ids, 1), "attention_mask": mask}


@pytest.mark.parametrize("lengths", [[], LENGTHS], ids=["of the mask", "known"])
@pytest.mark.parametrize("family", FAMILIES)
def test_features_and_gradients_are_those_of_padded_rows(family: str, lengths: list[int]) -> None:
    model = encoder(family)
    assert supports(model, JAGGED)
    outcomes = []
    for kernels in (PLAIN, JAGGED):
        one = deepcopy(model)
        prepare(one, kernels)
        found = features(one, inputs(), kernels, lengths)
        weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
        (found * weights).sum().backward()
        gradients = {n: p.grad for n, p in one.named_parameters() if p.grad is not None}
        outcomes.append({"features": found.detach(), **gradients})
    padded, jagged = outcomes
    assert padded.keys() == jagged.keys()
    for name, value in padded.items():
        assert torch.allclose(value, jagged[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("family", ["deberta-v2", "mpnet"])
def test_families_with_an_attention_of_their_own_keep_their_forward(family: str) -> None:
    assert not supports(encoder(family), JAGGED)


def test_a_row_has_the_positions_of_its_own_tokens() -> None:
    layout = JaggedLayout.of([2, 1, 3], 4, torch.device("cpu"))
    assert layout.filled.tolist() == [0, 1, 4, 8, 9, 10]
    assert layout.starts.tolist() == [0, 2, 3]
    assert layout.within.tolist() == [0, 1, 0, 0, 1, 2]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.none() | st.integers(0, 9),
    st.booleans(),
)
def test_every_row_attends_to_itself_within_the_window(
    lengths: list[int], window: int | None, firsts: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(sum(lengths), 2, 4, generator=generator) for _ in range(3))
    layout = JaggedLayout.of(lengths, max(lengths), torch.device("cpu"))
    if firsts and window is None:
        query, asking = query[layout.starts], layout.firsts
    else:
        firsts, asking = False, layout.rows
    computed = attend(query, key, value, asking, layout.rows, 0.0, 0.3, window)
    expected = []
    for low, count in zip(layout.starts.tolist(), lengths, strict=True):
        row = slice(low, low + count)
        place = torch.arange(count)
        near = None if window is None else (place[:, None] - place).abs() <= window
        asked = query[len(expected) : len(expected) + 1] if firsts else query[row]
        q, k, v = (x.transpose(0, 1) for x in (asked, key[row], value[row]))
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=near, scale=0.3)
        expected.append(attended.transpose(0, 1))
    assert torch.allclose(computed, torch.cat(expected), atol=1e-5)


def test_weights_of_attention_are_dropped() -> None:
    layout = JaggedLayout.of(LENGTHS, 40, torch.device("cpu"))
    ones = torch.ones(sum(LENGTHS), 2, 4)
    for window in (None, 5):
        torch.manual_seed(0)
        dropped = attend(ones, ones, ones, layout.rows, layout.rows, 0.5, None, window)
        assert dropped.mean() == pytest.approx(1, abs=0.05)
        assert dropped.std() > 0.1
