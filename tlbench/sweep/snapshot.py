"""Keeps a sweep's configs as they were at its start, whatever is edited while it runs."""

import hashlib
import shutil
import uuid
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.config_loader import ConfigLoader

_SCHEME = "file://"


def freeze(loader: ConfigLoader, folder: Path) -> ConfigLoaderImpl:
    """Return a loader of copies of the config folders, which are made in ``folder/.conf``.

    Folders that ``hydra.searchpath`` adds are not copied: Hydra reads that key at every compose.
    """
    frozen = ConfigSearchPathImpl()
    for element in loader.get_search_path().get_path():
        path = element.path
        # Hydra gives the folder of the program's own configs without a scheme.
        if path and (path.startswith(_SCHEME) or "://" not in path):
            path = _SCHEME + str(_copy(Path(path.removeprefix(_SCHEME)), folder / ".conf"))
        frozen.append(provider=element.provider, path=path)
    return ConfigLoaderImpl(config_search_path=frozen)


def _copy(source: Path, parent: Path) -> Path:
    """Copy the YAML files of a folder to a folder that is named by their content; return it.

    So sweeps that start with the same configs share a copy, and none changes another's.
    """
    names = [file.relative_to(source) for file in sorted(source.rglob("*.yaml"))]
    contents = {
        name: (source / name).read_bytes()
        for name in names
        if not any(part.startswith(".") for part in name.parts)
    }
    digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()[:16]
    copy = (parent / digest).absolute()
    if not copy.exists():
        # Renamed when it is complete: a sweep that starts meanwhile must not see half of it.
        draft = parent / f".{digest}-{uuid.uuid4().hex[:8]}"
        draft.mkdir(parents=True)
        for name, content in contents.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
        try:
            draft.rename(copy)
        except OSError:  # another sweep was first
            shutil.rmtree(draft)
            if not copy.exists():
                raise
    return copy
