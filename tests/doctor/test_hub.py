"""The hub's cache, and the encoders that are in it."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.doctor.machines import only
from tlbench.doctor import hub

_COMMIT = "0" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, with no variable set."""
    for name in ("HF_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def keep(cache: Path, name: str, *files: str) -> None:
    """Put files of a repository into the cache, as the hub's client does."""
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(_COMMIT)
    (folder / "snapshots" / _COMMIT).mkdir(parents=True)
    for file in files:
        (folder / "snapshots" / _COMMIT / file).touch()


def test_where_files_are_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = only(hub.hub())
    assert found.level == "ok"
    assert found.found.startswith(
        f"files of the hub are in {cache}, which is not there yet (HF_HOME is not set); what lacks"
    )
    cache.mkdir()
    monkeypatch.setenv("HF_HOME", "/shared/hf")
    assert only(hub.hub()).found.startswith(f"files of the hub are in {cache} (HF_HOME); ")


@pytest.mark.parametrize("value", ["1", "True"])
def test_variables_that_forbid_downloads(
    cache: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "0")
    found = only(hub.hub())
    assert found.level == "note"
    assert found.found.endswith("; HF_HUB_OFFLINE forbids downloads")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", value)
    assert only(hub.hub()).found.endswith("HF_HUB_OFFLINE and HF_DATASETS_OFFLINE forbid downloads")


@pytest.mark.parametrize(
    ("files", "here"),
    [
        (("config.json", "tokenizer.json", "model.safetensors"), True),
        (("config.json", "tokenizer.json", "pytorch_model.bin"), True),
        (("config.json", "spm.model", "pytorch_model.bin"), True),
        (("config.json", "tokenizer.json", "model-00001-of-00002.safetensors"), True),
        (("config.json", "tokenizer.json", "training_args.bin"), False),
        (("config.json", "model.safetensors"), False),
        (("tokenizer.json", "model.safetensors"), False),
    ],
)
def test_an_encoder_is_here_with_config_tokenizer_and_weights(
    cache: Path, files: tuple[str, ...], here: bool
) -> None:
    keep(cache, "lab/encoder", *files)
    assert hub.is_here("lab/encoder", None) is here
    assert not hub.is_here("lab/encoder", "another-branch")
    assert not hub.is_here("lab/other", None)


def test_encoders_of_packages_and_folders(cache: Path, tmp_path: Path) -> None:
    assert hub.is_here("package:tlbench/assets/tiny", None)
    assert not hub.is_here("package:not_there_at_all/model", None)
    assert hub.is_here(str(tmp_path), None)


def test_the_default_encoder_is_asked_for_where_it_is_not_here(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "locate", lambda name: "/" if name.startswith("package:") else name)
    found = only(hub.encoders())
    assert found.level == "note"
    assert found.found.startswith("here: minilm, tiny; not here: bert_base, deberta_v3_base, ")
    assert found.found.endswith("(distilroberta is the default)")
    assert found.advice == "Run hf download distilroberta-base, or set encoder=minilm."


def test_with_the_default_here_others_are_not_asked_for(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(cache, "distilroberta-base", "config.json", "tokenizer.json", "model.safetensors")
    monkeypatch.setattr(hub, "locate", lambda name: "/" if name.startswith("package:") else name)
    found = only(hub.encoders())
    assert (found.level, found.advice) == ("ok", "")
    assert found.found == (
        "here: distilroberta, minilm, tiny; not here: bert_base, deberta_v3_base, "
        "deberta_v3_large, eurobert, modernbert_base, modernbert_large, roberta_base, "
        "roberta_large, xlmr_base"
    )
    monkeypatch.setattr(hub, "is_here", lambda *_: True)
    assert only(hub.encoders()).found.endswith("which is all of conf/encoder")


def test_a_package_that_is_not_installed_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "is_here", lambda name, _: "minilm" not in name)
    assert only(hub.encoders()).advice.startswith("Run pip install 'tlbench[minilm]', or set ")
