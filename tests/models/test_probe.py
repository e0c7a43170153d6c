import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from transformers import dynamic_module_utils

from scripts.encoder_families import save
from tests.support.experiments import Compose, Run
from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.features import PLAIN, Kernels, features, preferred, prepare
from tlbench.models.kernels import jagged
from tlbench.models.probe import _Probe, try_encoder
from tlbench.records.record import read_record

TINY = "package:tlbench/assets/tiny"
FAST = preferred(fast=True, on_cuda=False, compiled=False)


def encoder(name: str | Path, max_length: int = 64, trusted: bool = False) -> Encoder:
    return Encoder(str(name), None, False, None, max_length, trusted)


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., Path]:
    """A folder with a small encoder of a family."""

    def make(family: str, **config: Any) -> Path:
        save(family, tmp_path / family, **config)
        return tmp_path / family

    return make


def edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def remote(folder: Path, code: str) -> Encoder:
    """An encoder in ``folder`` of a class ``Model(BertModel)`` in its own files."""
    (folder / "own.py").write_text(
        "import torch\nfrom transformers import BertConfig, BertModel\n"
        "class Own(BertConfig):\n    model_type = 'own'\n"
        f"class Model(BertModel):\n    config_class = Own\n{code}"
    )
    auto = {"AutoConfig": "own.Own", "AutoModel": "own.Model"}
    edit(folder / "config.json", model_type="own", auto_map=auto)
    return encoder(folder, trusted=True)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("bert", {"is_decoder": True}),
        ("roberta", {"is_decoder": True}),
        ("electra", {"is_decoder": True}),
        ("rembert", {"is_decoder": True}),
        ("xlm", {"causal": True}),
        ("longformer", {"attention_window": 8}),
    ],
)
def test_an_encoder_whose_first_token_is_blind_is_refused_with_any_kernels(
    small: Callable[..., Path], family: str, config: dict[str, Any], fast: bool
) -> None:
    kernels = preferred(fast, on_cuda=False, compiled=False)
    message = rf"^Change encoder\.name: '.*' \({family}\) hides the last token from the first"
    with pytest.raises(UserError, match=message):
        try_encoder(encoder(small(family, **config)), kernels)


@pytest.mark.parametrize(
    ("family", "positions"),
    [
        ("bert", 80),
        ("roberta", 79),
        ("mpnet", 78),
        ("xlm", 80),
        ("flaubert", 80),
        ("ibert", 79),
        ("roformer", 80),
        ("squeezebert", 80),
    ],
)
def test_a_length_beyond_an_encoders_positions(
    small: Callable[..., Path], family: str, positions: int
) -> None:
    name = small(family)
    assert try_encoder(encoder(name, positions), FAST)
    for length in (positions + 1, 3 * positions):
        message = (
            rf"^Change encoder\.max_length: .* has {positions} positions, and a row of {length} tok"
        )
        with pytest.raises(UserError, match=message):
            try_encoder(encoder(name, length), FAST)


@pytest.mark.parametrize("family", ["modernbert", "gte", "esmc"])
def test_rotary_positions_have_no_end(small: Callable[..., Path], family: str) -> None:
    assert try_encoder(encoder(small(family), 200), FAST)


@pytest.mark.parametrize("family", ["fnet", "convbert", "nystromformer", "mobilebert", "yoso"])
def test_an_encoder_that_attends_to_padding_is_refused(
    small: Callable[..., Path], family: str
) -> None:
    with pytest.raises(UserError, match=r"^Change encoder\.name: .* other features in another ba"):
        try_encoder(encoder(small(family)), FAST)


@pytest.mark.parametrize("family", ["perceiver", "modernvbert", "reformer", "xmod", "funnel"])
def test_an_encoder_that_takes_or_gives_something_else_is_refused(
    small: Callable[..., Path], family: str
) -> None:
    with pytest.raises(UserError, match=rf"^Change encoder\.name: '.*' \({family}\) .*\(.*\)\.$"):
        try_encoder(encoder(small(family)), FAST)


def test_a_config_that_makes_no_encoder_is_refused(small: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"^Change encoder\.name: .* can't be made from its config"):
        try_encoder(encoder(small("bert", hidden_size=33)), FAST)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gte", "nomic_bert", "squeezebert", "layoutlm"])
def test_families_that_have_or_need_a_pooler_train(
    small: Callable[..., Path], run: Run, family: str
) -> None:
    record = run(f"encoder.name={small(family)}", "strategy=stilts", "support_task=mnli")
    assert record.steps == 8
    assert record.score is not None


@pytest.mark.slow
@pytest.mark.parametrize("family", ["deberta-v2", "eurobert", "modernbert", "xlm-roberta"])
def test_families_of_large_encoders_train(
    small: Callable[..., Path], run: Run, family: str
) -> None:
    at = (f"encoder.name={small(family)}", "encoder.gradient_checkpointing=true")
    record = run(*at, "strategy=stilts", "support_task=mnli")
    assert record.steps == 8
    assert record.score is not None


@pytest.mark.parametrize("fast", [True, False])
def test_a_tokenizer_that_says_nothing_of_a_mask_trains_the_same_model(
    small: Callable[..., Path], compose: Compose, run: Run, tmp_path: Path, fast: bool
) -> None:
    name = small("bert")
    overrides = (f"encoder.name={name}", f"fast_kernels={fast}", "keep_weights=all")
    run(*overrides, f"store_dir={tmp_path / 'a'}")
    edit(name / "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids"])
    copy = name.rename(tmp_path / "without")  # tokenizers are remembered by their names
    run(*overrides, f"encoder.name={copy}", f"store_dir={tmp_path / 'b'}")
    first, second = (
        [file.read_bytes() for file in sorted((tmp_path / store).glob("*/weights/*/*.safetensors"))]
        for store in "ab"
    )
    assert len(first) == 2
    assert first == second


def test_kernels_that_are_not_an_encoders_own_are_off(
    small: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    forward = (
        "    def forward(self, *args, **kwargs):\n"
        "        found = super().forward(*args, **kwargs)\n"
    )
    bodies = {
        "unpadded": "        return found\n",
        # Unpadded, the last step would be left out.
        "first_token": (
            "        found.last_hidden_state = 2 * found.last_hidden_state\n        return found\n"
        ),
        # The first token's features are made of all tokens' in the end.
        "plain": (
            "        mask = kwargs['attention_mask'][..., None]\n"
            "        hidden = found.last_hidden_state\n"
            "        found.last_hidden_state = hidden + (mask * hidden).sum(1, keepdim=True)\n"
            "        return found\n"
        ),
    }
    folder = small("bert")
    for expected, body in bodies.items():
        save("bert", tmp_path / expected)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            tried = try_encoder(remote(tmp_path / expected, forward + body), FAST)
        assert tried.features == expected
        off = [r.message for r in caplog.records if r.message.startswith("  fast_kernels: ")]
        assert len(off) == list(bodies).index(expected)
    assert try_encoder(encoder(folder), FAST) == Kernels("unpadded", on_cpu=True)


def test_an_encoder_that_is_random_in_evaluation_is_refused(
    small: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    drawn = (
        "    def forward(self, *args, **kwargs):\n"
        "        found = super().forward(*args, **kwargs)\n"
        "        found.last_hidden_state = torch.nn.functional.dropout(found.last_hidden_state)\n"
        "        return found\n"
    )
    with pytest.raises(UserError, match="its forward is random or depends on earlier"):
        try_encoder(remote(small("bert"), drawn), FAST)


@pytest.mark.parametrize(
    ("family", "override", "features"),
    [
        ("bert", "fast_kernels=true", "unpadded"),
        ("bert", "trainer.compile=true", "first_token"),
        ("bert", "fast_kernels=false", "plain"),
        ("distilbert", "fast_kernels=true", "plain"),
    ],
)
def test_a_stage_says_what_computed_its_features(
    small: Callable[..., Path],
    compose: Compose,
    run: Run,
    tmp_path: Path,
    family: str,
    override: str,
    features: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.nn.Module, "compile", lambda *_, **__: None)  # takes a minute
    run(f"encoder.name={small(family)}", override)
    (file,) = (tmp_path / "store").glob("*/stage.json")
    assert json.loads(file.read_text())["kernels"] == features


def test_random_states_stay_as_they_are() -> None:
    def states() -> tuple[Any, ...]:
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()

    before = states()
    once = try_encoder(encoder(TINY), FAST)
    assert states() == before
    torch.manual_seed(5)
    assert try_encoder(encoder(TINY), FAST) == once


def test_weights_that_a_training_has_spoilt_are_no_reason_to_refuse(
    small: Callable[..., Path], tmp_path: Path
) -> None:
    name = small("bert")
    model = load_encoder(encoder(name))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.save_pretrained(name)
    spoilt = Encoder(str(name), None, True, None, 64)
    assert try_encoder(spoilt, FAST) == Kernels("unpadded", on_cpu=True)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "albert", "distilbert", "xlm"])
def test_what_is_chosen_has_the_features_of_the_encoders_own_forward(
    small: Callable[..., Path], family: str
) -> None:
    chosen_encoder = encoder(small(family))
    kernels = try_encoder(chosen_encoder, FAST)
    mask = (torch.arange(40) < torch.tensor([2, 40, 17])[:, None]).long()
    ids = torch.randint(5, 300, mask.shape) * mask
    computed = []
    for chosen in (kernels, PLAIN):
        torch.manual_seed(0)
        model = load_encoder(chosen_encoder)
        prepare(model, chosen)
        computed.append(features(model.eval(), {"input_ids": ids, "attention_mask": mask}, chosen))
    assert torch.allclose(*computed, atol=1e-5)


@pytest.mark.slow
def test_a_refusal_is_one_sentence_alone_and_a_failed_record_in_a_sweep(
    small: Callable[..., Path], command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    bad, good = small("fnet"), small("roberta")
    quiet = ("debug=fast", "logger=none", "trainer.accelerator=cpu")
    alone = command(*quiet, f"encoder.name={bad}")
    assert alone.returncode == 1
    lines = (alone.stdout + alone.stderr).splitlines()
    sentences = [line for line in lines if "Change encoder.name" in line]
    assert len(sentences) == 1
    assert not any("Traceback" in line for line in lines)
    swept = command("-m", *quiet, f"encoder.name={bad},{good}", "study=families")
    assert swept.returncode == 1
    records = [read_record(file) for file in tmp_path.glob("multirun/families/*/result.json")]
    done, failed = sorted(records, key=lambda record: record.status)
    assert (done.status, failed.status) == ("done", "failed")
    assert str(failed.error).startswith(f"Change encoder.name: '{bad}' (fnet) ")


def test_it_is_tried_before_rows_are_tokenised(
    small: Callable[..., Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("tokenised")

    monkeypatch.setattr("tlbench.training.datamodule.tokenise", broken)
    with pytest.raises(UserError, match=r"Change encoder\.name"):
        run(f"encoder.name={small('fnet')}")
    with pytest.raises(AssertionError, match="tokenised"):
        run(f"encoder.name={small('bert')}")


ON_GPU = preferred(fast=True, on_cuda=True, compiled=False)


@pytest.mark.parametrize(
    ("family", "features"),
    [("bert", "unpadded"), ("roberta", "unpadded"), ("distilbert", "unpadded"), ("xlm", "plain")],
)
def test_on_a_gpu_more_families_are_unpadded(
    small: Callable[..., Path], family: str, features: str
) -> None:
    assert try_encoder(encoder(small(family)), ON_GPU).features == features


@pytest.mark.parametrize("spoilt", [False, True])
def test_what_a_gpu_computes_otherwise_is_off(
    small: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, spoilt: bool
) -> None:
    """A GPU's attention in 16 bits is another than a CPU's, here a CPU's in 16 bits."""
    name = small("bert")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    agrees = _Probe._agrees_in_16_bits
    monkeypatch.setattr(
        _Probe, "_agrees_in_16_bits", lambda self, *args: agrees(self, *args[:-1], "cpu")
    )
    own = jagged.attend

    def attend(query: torch.Tensor, *args: Any) -> torch.Tensor:
        wrong = spoilt and query.dtype == torch.bfloat16
        return own(query, *args) * (0 if wrong else 1)

    monkeypatch.setattr(jagged, "attend", attend)
    chosen = try_encoder(encoder(name), [*ON_GPU])
    assert chosen.features == ("first_token" if spoilt else "unpadded")
