"""The hub's local cache: where it is, whether it is all there is, and which encoders it has."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml
from huggingface_hub import constants, try_to_load_from_cache

from tlbench.config.overrides import default_choices
from tlbench.config.search_path import CONF_DIR
from tlbench.doctor.finding import Finding, shown
from tlbench.errors import UserError
from tlbench.plan.encoder_files import locate

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
_TRUE = ("1", "true", "yes", "on")
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
_TOKENIZERS = ("tokenizer.json", "spm.model")  # DeBERTa-v3's is of sentencepiece
_PACKAGES = {"minilm": "pip install 'tlbench[minilm]'"}


def hub() -> Iterator[Finding]:
    """Yield where the hub's files are kept, and which variables keep tlbench from the hub."""
    folder = Path(constants.HF_HUB_CACHE)
    there = "" if folder.is_dir() else ", which is not there yet"
    by = "HF_HOME" if os.environ.get("HF_HOME") else "HF_HOME is not set"
    found = f"files of the hub are in {shown(folder)}{there} ({by})"
    offline = [name for name in _OFFLINE if os.environ.get(name, "").lower() in _TRUE]
    if offline:
        forbid = "forbids" if len(offline) == 1 else "forbid"
        found += f"; {' and '.join(offline)} {forbid} downloads"
        yield Finding("note", "hub", found, "Unset that on a machine that has a network.")
    else:
        yield Finding("ok", "hub", f"{found}; what lacks is downloaded, as no variable forbids it")


def encoders() -> Iterator[Finding]:
    """Yield which encoders of ``conf/encoder`` can be trained without a download."""
    files = sorted((CONF_DIR / "encoder").glob("*.yaml"))
    contents = {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in files}
    # Those that bring a learning rate too have the group's keys under its name.
    options = {option: one.get("encoder", one) for option, one in contents.items()}
    here = [option for option, one in options.items() if is_here(one["name"], one["revision"])]
    absent = [option for option in options if option not in here]
    default = default_choices()["encoder"]
    found = f"here: {', '.join(here)}"
    if not absent:
        yield Finding("ok", "encoders", f"{found}, which is all of conf/encoder")
        return
    of_hub = [name for name in absent if not options[name]["name"].startswith("package:")]
    found += f"; not here: {', '.join(absent)}"
    commands = [f"hf download {options[name]['name']}" for name in of_hub if name == default]
    commands += [_PACKAGES[name] for name in absent if name in _PACKAGES]
    if default in absent:
        found += f" ({default} is the default)"
    advice = f"Run {' or '.join(commands)}, or set encoder={here[0]}." if commands else ""
    yield Finding("note" if commands else "ok", "encoders", found, advice)


def is_here(name: str, revision: str | None) -> bool:
    """Return whether an encoder's config, tokenizer and weights are on this machine.

    Args:
        name: of the hub, a folder, or ``package:<package>/<folder>``.
        revision: of the hub; None for its main branch.
    """
    try:
        place = locate(name)
    except UserError:  # the package is not installed
        return False
    if Path(place).is_dir():
        return True
    config = try_to_load_from_cache(name, "config.json", revision=revision or "main")
    if not isinstance(config, str):
        return False
    snapshot = Path(config).parent
    has_weights = any(file.is_file() for kind in _WEIGHTS for file in snapshot.glob(kind))
    return has_weights and any((snapshot / name).is_file() for name in _TOKENIZERS)
