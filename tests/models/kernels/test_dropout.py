from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from tests.support.experiments import Run
from tlbench.config.schema import Encoder
from tlbench.models.encoder import load_encoder
from tlbench.models.kernels.dropout import (
    ATTENTION,
    FastDropout,
    dropout,
    keep_mask,
    use_fast_kernels,
)
from tlbench.models.multitask import MultiTaskModel

RATES = [0.1, 0.5, 0.007, 0.9]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("p", RATES)
def test_the_rate_is_exact_and_the_mean_is_kept(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mask, scale = keep_mask(torch.ones(4_000_000, dtype=dtype), p)
    assert mask.dtype == dtype
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    error = (p * (1 - p) / 4e6) ** 0.5
    assert (mask == 0).double().mean().item() == pytest.approx(p, abs=1e-5 + 4 * error)
    # Whatever the rate is rounded to, the expectation is exactly that of the input.
    rounded = round(p * 2**16) / 2**16
    assert abs(rounded - p) < 1e-4
    assert scale * (1 - rounded) == pytest.approx(1, abs=1e-12)


def test_in_16_bits_the_mean_is_kept_too() -> None:
    x = torch.rand(4_000_000).bfloat16() + 1
    assert dropout(x, 0.1).double().mean().item() == pytest.approx(
        x.double().mean().item(), rel=1e-3
    )


def test_places_are_independent_of_each_other() -> None:
    torch.manual_seed(0)
    x = (keep_mask(torch.ones(2_000_000), 0.3)[0] == 0).double() - 0.3
    for lag in (1, 2, 3, 4, 5, 8, 64, 1024):  # four places are of one drawn number
        correlation = (x[:-lag] * x[lag:]).mean() / x.var()
        assert abs(correlation.item()) < 5 / len(x) ** 0.5, lag
    counts = [((x > 0)[place::4]).double().mean().item() for place in range(4)]
    assert counts == pytest.approx([0.3] * 4, abs=0.004)


@pytest.mark.parametrize("shape", [(3,), (5, 7), (0,), (2, 3, 4)])
def test_shapes_and_types(shape: tuple[int, ...]) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.ones(shape, dtype=dtype)
        assert dropout(x, 0.5).shape == x.shape
        assert dropout(x, 0.5).dtype == dtype
    x = torch.ones(shape)
    assert dropout(x, 0.5, training=False) is x
    assert (dropout(x, 1.0) == 0).all()


def test_the_gradient_goes_where_the_input_was_kept() -> None:
    x = torch.randn(1000, requires_grad=True)
    y = dropout(x, 0.25)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad == 0, y == 0)
    assert x.grad.max().item() == pytest.approx(4 / 3)


def test_the_generator_decides() -> None:
    torch.manual_seed(1)
    first, second = dropout(torch.ones(100), 0.5), dropout(torch.ones(100), 0.5)
    torch.manual_seed(1)
    assert torch.equal(first, dropout(torch.ones(100), 0.5))
    assert not torch.equal(first, second)


def tiny(attention_dropout: float) -> nn.Module:
    torch.manual_seed(0)
    model = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
    model.config.attention_probs_dropout_prob = attention_dropout
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model


def inputs() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 300, (4, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def test_attention_is_what_the_model_had(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, fast = tiny(0.0), tiny(0.0)
    use_fast_kernels(fast)
    assert fast.config._attn_implementation == ATTENTION
    both = [model(**inputs()).last_hidden_state for model in (plain, fast)]
    assert torch.allclose(*both, atol=1e-5)
    # The branch with dropout, with a mask that drops nothing.
    nothing = lambda like, p: (torch.ones_like(like), 1.0)  # noqa: E731
    monkeypatch.setattr("tlbench.models.kernels.dropout.keep_mask", nothing)
    for layer in fast.modules():
        if isinstance(layer, FastDropout):
            layer.p = 0.1
    dropped = fast(**inputs()).last_hidden_state
    kept = inputs()["attention_mask"].bool()
    assert torch.allclose(both[0][kept], dropped[kept], atol=1e-5)
    fast.eval()
    assert torch.allclose(both[0][kept], fast(**inputs()).last_hidden_state[kept], atol=1e-5)


def test_saved_encoders_say_nothing_of_it(tmp_path: Path) -> None:
    model = tiny(0.1)
    use_fast_kernels(model)
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    assert ATTENTION not in (tmp_path / "config.json").read_text().replace("tlbench/", "")
    assert AutoModel.from_pretrained(tmp_path).config._attn_implementation != ATTENTION


@pytest.mark.parametrize("family", ["distilbert", "electra", "roberta", "albert", "deberta-v2"])
def test_every_family_takes_what_it_can(family: str) -> None:
    config = AutoConfig.for_model(
        family,
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=32,
        embedding_size=32,
    )
    model = AutoModel.from_config(config).train()
    use_fast_kernels(model)
    model(**inputs()).last_hidden_state.sum().backward()


def test_the_override_turns_them_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[MultiTaskModel] = []
    forward = MultiTaskModel.forward

    def watched(model: MultiTaskModel, *arguments: Any, **named: Any) -> Any:
        models.append(model)
        return forward(model, *arguments, **named)

    monkeypatch.setattr(MultiTaskModel, "forward", watched)
    for fast in (True, False):
        run(f"fast_kernels={fast}", "trainer.max_steps=1")
        assert any(isinstance(m, FastDropout) for m in models[-1].modules()) == fast
