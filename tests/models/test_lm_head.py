"""Heads for masked tokens: a family's own gives its own logits; a new one begins as identity."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForMaskedLM

from tlbench.config.schema import Encoder, Source, Task
from tlbench.models.encoder import load_encoder
from tlbench.models.lm_head import make_masked_head
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.encoder_files import locate
from tlbench.training.optimization import StartWeights

MLM = Task("mlm", None, ["accuracy"], ["accuracy"], Source("generated", name="rte"), kind="mlm")
TINY = Path(locate("package:tlbench/assets/tiny"))
SIZES: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 70,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "modernbert": {
        **dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1),
        "attn_implementation": "eager",
    },
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
    "electra": {"embedding_size": 16},
    "untied": {"tie_word_embeddings": False},
}


def files(folder: Path, family: str) -> Encoder:
    """Write a small masked language model of a family, and the tokenizer of ``tiny``."""
    model_type = "bert" if family == "untied" else family
    config = AutoConfig.for_model(model_type, **(SIZES | FAMILIES[family]))
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config)
    for one in model.parameters():  # biases too, of which a family may have two names
        torch.nn.init.normal_(one, std=0.1)
    model.save_pretrained(folder)
    for file in TINY.glob("*token*"):
        shutil.copy(file, folder)
    return Encoder(str(folder), None, True, None, 64)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_own_head_gives_its_own_log_probabilities(tmp_path: Path, family: str) -> None:
    encoder = files(tmp_path, family)
    loaded = load_encoder(encoder)
    model = MultiTaskModel(loaded, [MLM], "per_task", encoder).eval()
    whole = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    ids = torch.randint(5, 300, (2, 9))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    places, labels = torch.tensor([[1, 4], [3, -1]]), torch.tensor([[7.0, 9], [11, -100]])
    (found,) = model(inputs, [2], (9, 9), [places], labels=[labels])
    expected = whole(**inputs).logits.log_softmax(dim=-1)
    for row, place, label in ((0, 1, 7), (0, 4, 9), (1, 3, 11)):
        at = places[row].tolist().index(place)
        assert found[row, at, 0] == expected[row, place].argmax()
        assert found[row, at, 1].item() == pytest.approx(
            expected[row, place, label].item(), abs=1e-4
        )
    assert found[1, 1].isneginf().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_embeddings_are_trained_once_and_saved_with_the_encoder(
    tmp_path: Path, family: str
) -> None:
    encoder = files(tmp_path / "files", family)
    model = MultiTaskModel(load_encoder(encoder), [MLM], "per_task", encoder)
    width = model.encoder.get_input_embeddings().weight.shape[1]
    matrices = [n for n, one in model.named_parameters() if one.shape == (400, width)]
    assert len(matrices) == (2 if family == "untied" else 1)
    model.save_head(MLM, tmp_path / "heads.safetensors")
    saved = load_file(tmp_path / "heads.safetensors")
    assert any(one.shape == (400, width) for one in saved.values()) == (family == "untied")
    other = MultiTaskModel(load_encoder(encoder), [MLM], "per_task", encoder)
    with torch.no_grad():
        for one in other.heads.parameters():
            one.add_(1)
    assert other.load_head(MLM, tmp_path / "heads.safetensors")
    for name, one in model.heads.named_parameters():
        assert torch.equal(one, dict(other.heads.named_parameters())[name]), name
    pulled = StartWeights(model.encoder, 0.1)._pairs
    assert any(one is model.encoder.get_input_embeddings().weight for one, _ in pulled)


def test_it_follows_the_encoders_embeddings(tmp_path: Path) -> None:
    """Weights that are loaded into the encoder, or trained, are the head's too."""
    encoder = files(tmp_path, "bert")
    loaded = load_encoder(encoder)
    head = make_masked_head(loaded, encoder).eval()
    features, labels = torch.randn(3, 32), torch.tensor([5.0, 6, 7])
    before = head(features, labels)
    with torch.no_grad():
        loaded.get_input_embeddings().weight.mul_(2)
    assert not torch.allclose(before, head(features, labels))


def test_an_encoder_without_a_head_gets_one_that_begins_as_the_identity(tmp_path: Path) -> None:
    encoder = files(tmp_path / "whole", "bert")
    load_encoder(encoder).save_pretrained(tmp_path / "bare")
    for file in TINY.glob("*token*"):
        shutil.copy(file, tmp_path / "bare")
    bare = Encoder(str(tmp_path / "bare"), None, True, None, 64)
    loaded = load_encoder(bare)
    torch.manual_seed(0)
    head = make_masked_head(loaded, bare)
    assert torch.initial_seed() == 0
    assert torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(0)))
    features = torch.randn(2, 32)
    found = head(features, torch.tensor([5.0, -100]))
    logits = features @ loaded.get_input_embeddings().weight.T
    assert found[0, 0] == logits[0].argmax()
    assert found[0, 1].item() == pytest.approx(logits[0].log_softmax(0)[5].item(), abs=1e-4)
    assert found[1].tolist() == [0, 0]


def test_a_head_without_tokens_has_gradients_of_zero(tmp_path: Path) -> None:
    encoder = files(tmp_path, "roberta")
    head = make_masked_head(load_encoder(encoder), encoder)
    head(torch.empty(0, 32), torch.empty(0)).sum().backward()
    assert all(one.grad is not None and not one.grad.any() for one in head.parameters())
