"""Where an encoder's files are, and what they are: the hub's commit, or a digest of the files.

Planning asks this, so nothing here imports torch. An encoder is known by what its files are, not by
its name: new weights under an old name are another encoder.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

from tlbench.config.schema import Encoder
from tlbench.errors import UserError, first_line
from tlbench.store.integrity import checksum

_COMMIT = "commit:"
_DIGEST = "sha256:"
_LENGTH = 16  # hexadecimal digits, as of a stage's key
_TIMEOUT = 10.0  # seconds for the hub's answer
# What transformers reads of a folder; a README or an ONNX copy of the weights changes nothing.
_SETTINGS = {".json", ".txt", ".model", ".tiktoken", ".jinja"}


def locate(name: str, key: str = "encoder.name") -> str:
    """The folder behind ``package:<package>/<folder>``; any other name as it is.

    The package is found, not imported.

    Args:
        key: of the config, whose value the name is.

    Raises:
        UserError: if the package is not installed.
    """
    if not name.startswith("package:"):
        return name
    package, _, inside = name.removeprefix("package:").partition("/")
    # A dotted name would import the package before the dot.
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"Change {key.removesuffix('.name')}, or pip install {package.replace('_', '-')}: "
            f"{key}={name} is inside a package that is not installed."
        )
    return str(Path(spec.submodule_search_locations[0]) / inside)


def identify(encoder: Encoder) -> str:
    """What the files of an encoder are: ``commit:<hash>`` of the hub, or ``sha256:<digest>``.

    Where its Python code is run and lies in another repository, ``+code:<digest>`` follows. A hub
    name is looked up in the local cache first, then on the hub. An identity that is given already,
    by a sweep to its jobs, is taken as it is.

    Raises:
        UserError: if the files are not there, and the hub knows no commit or can't be reached.
    """
    if encoder.identity is not None:
        _check_form(encoder)
        return encoder.identity
    return _identify(encoder.name, encoder.revision, encoder.pretrained, encoder.trust_remote_code)


def check_unchanged(encoder: Encoder) -> None:
    """Refuse a folder whose files are no longer those of ``encoder.identity``.

    Raises:
        UserError: before anything is trained from them. Of a hub name nothing is looked at: its
            files are read at the commit.
    """
    folder = _folder(encoder.name)
    if folder is None:
        return
    digest = _digest_of(folder, encoder.pretrained, encoder.trust_remote_code)
    if digest != str(encoder.identity).partition("+")[0]:
        raise UserError(
            f"Change encoder.name, or launch anew: the files of '{encoder.name}' are not those "
            f"that were planned with (encoder.identity={encoder.identity})."
        )


def commit_of(name: str, wanted: str | None, key: str) -> str:
    """Return the identity of a revision of any model on the hub.

    Args:
        key: of the config, whose value the name is.

    Raises:
        UserError: naming the key, if the hub knows no commit or can't be reached.
    """
    try:
        return _COMMIT + _commit(name, wanted)
    except UserError as error:
        raise UserError(
            f"Change {key}: '{name}' is no folder and not in the local cache, and the hub does not "
            f"say which commit it is ({first_line(error.__cause__)})."
        ) from error


def digest_of_folder(folder: Path, key: str) -> str:
    """Return the identity of any model's folder.

    Raises:
        UserError: naming the key of the config, if it is none, or can't be read.
    """
    return _digest_of(folder, pretrained=True, trust_remote_code=False, key=key)


def digest_of_file(file: Path) -> str:
    """Return the identity of a model that is one file."""
    return _DIGEST + _checksum(str(file), *_state(file))[:_LENGTH]


def revision(encoder: Encoder) -> str | None:
    """What of a hub repository is read: the commit of its identity, so that both agree."""
    commit = re.match(f"{_COMMIT}([0-9a-f]{{40}})", encoder.identity or "")
    return commit[1] if commit else encoder.revision


def _folder(name: str) -> Path | None:
    """The folder that an encoder's name means, if it means one."""
    place = locate(name)
    return Path(place) if place and Path(place).is_dir() else None


def _check_form(encoder: Encoder) -> None:
    is_folder = _folder(encoder.name) is not None
    form = f"{_DIGEST}[0-9a-f]{{{_LENGTH}}}" if is_folder else f"{_COMMIT}[0-9a-f]{{40}}"
    if not re.fullmatch(rf"{form}(\+code:[0-9a-f]+)?", str(encoder.identity)):
        kind = "the digest of a folder's files" if is_folder else "a commit of the hub"
        raise UserError(
            f"Change encoder.identity to null: '{encoder.identity}' is not {kind}, as "
            f"encoder.name={encoder.name} needs it."
        )


@cache
def _identify(name: str, wanted: str | None, pretrained: bool, trust_remote_code: bool) -> str:
    if folder := _folder(name):
        own = _digest_of(folder, pretrained, trust_remote_code)
        return own + (_code_elsewhere(folder / "config.json", name) if trust_remote_code else "")
    commit = _commit(name, wanted)
    if not trust_remote_code:
        return _COMMIT + commit
    try:
        config = hf_hub_download(name, "config.json", revision=commit)
    except Exception as error:  # whatever the hub, its client and the network raise
        raise _unknown(name, error) from error
    return _COMMIT + commit + _code_elsewhere(Path(config), name)


@cache
def _commit(name: str, wanted: str | None) -> str:
    """The hash of a revision of a hub repository."""
    if re.fullmatch("[0-9a-f]{40}", wanted or ""):
        return str(wanted)
    try:
        file = try_to_load_from_cache(name, "config.json", revision=wanted or "main")
        if isinstance(file, str):
            return Path(file).parent.name
        return str(HfApi().model_info(name, revision=wanted, timeout=_TIMEOUT).sha)
    except Exception as error:  # whatever the hub, its client and the network raise
        raise _unknown(name, error) from error


def _code_elsewhere(config: Path, name: str) -> str:
    """Which commits the code is of that a config takes from other repositories; "" for none."""
    try:
        auto_map = dict(json.loads(config.read_text("utf-8")).get("auto_map") or {})
    except (ValueError, TypeError, AttributeError):
        return ""  # it is no config, as loading it will say
    classes = [str(one) for value in auto_map.values() for one in _listed(value)]
    others = {one.partition("--")[0] for one in classes if "--" in one} - {name}
    commits = [f"{other}@{_commit(other, None)}" for other in sorted(others)]
    return (
        "+code:" + hashlib.sha256(repr(commits).encode()).hexdigest()[:_LENGTH] if commits else ""
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]  # of tokenizers: slow and fast


def _unknown(name: str, error: Exception) -> UserError:
    return UserError(
        f"Change encoder (encoder=minilm and encoder=tiny need no download) or encoder.name: "
        f"'{name}' is no folder and not in the local cache, and the hub does not say which commit "
        f"it is ({first_line(error)})."
    )


def _digest_of(
    folder: Path, pretrained: bool, trust_remote_code: bool, key: str = "encoder.name"
) -> str:
    """A digest of the names and contents of all files that are read.

    Args:
        key: of the config, whose value the folder is.

    Raises:
        UserError: if it is not a model's folder, or can't be read.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"Change {key}: the folder {folder} has no config.json.")
    try:
        sums = [
            (file.relative_to(folder).as_posix(), _checksum(str(file), *_state(file)))
            for file in sorted({*_files(folder, pretrained, trust_remote_code)})
            if not file.is_dir()
        ]
    except OSError as error:
        raise UserError(
            f"Change {key}: {error.filename} can't be read ({error.strerror})."
        ) from error
    return _DIGEST + hashlib.sha256(repr(sums).encode()).hexdigest()[:_LENGTH]


def _files(folder: Path, pretrained: bool, trust_remote_code: bool) -> Iterator[Path]:
    """Config and tokenizer; weights, in whatever form, and Python code where they are read."""
    weights = [*folder.glob("*.safetensors"), *folder.glob("*.bin"), *folder.glob("*.index.json")]
    yield from (f for f in folder.iterdir() if f.suffix in _SETTINGS and f not in weights)
    if pretrained:
        yield from weights
    if trust_remote_code:
        yield from folder.rglob("*.py")


def _state(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


@cache
def _checksum(file: str, size: int, modified: int) -> str:
    del size, modified  # only there so that an edited file is read again
    return checksum(Path(file))
