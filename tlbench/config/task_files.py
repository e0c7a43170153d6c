"""What a YAML file may do to a config while Hydra composes it.

The file of a task is data, and may be a stranger's: it sets keys of its task and no others, for
those of ``hydra`` and a ``_target_`` elsewhere run code. All other files of a config folder are
code; see SECURITY.md.
"""

import re
import reprlib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from tlbench.config.bounds import MOST_BYTES, check_bounds
from tlbench.errors import UserError

_TASKS = ("target_task", "support_task", "task")
_NAME = r"[\w-]+(/[\w-]+)*"
_OWN_GROUP = rf"(optional )?(/target_task@_here_|{_NAME})"

# A sweep composes the same files again and again, and Hydra changes what it is given.
_read: dict[tuple[str, Path, bytes | None], ConfigResult] = {}
_MOST_FILES = 1000


class CheckedFiles(FileConfigSource):
    """Hydra's reader of config files, which refuses what a file must not do."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Read a config.

        Raises:
            UserError: if its YAML has no bounds, or it is a task's and is to change other keys.
        """
        file = Path(self.path, config_path.removesuffix(".yaml") + ".yaml")
        known = self.provider, file, _content(file)
        if known in _read:
            return deepcopy(_read[known])
        check_bounds(file)
        result = super().load_config(config_path)
        if config_path.partition("/")[0] in _TASKS:
            for foreign in _foreign(result):
                raise UserError(
                    f"Change {file}: the file of a task sets keys of its task alone, and has no "
                    f"{foreign}; an experiment, or an override, sets others."
                )
        if len(_read) >= _MOST_FILES:
            _read.clear()
        _read[known] = deepcopy(result)
        return result


# A process that a launcher starts is given this one, then registers Hydra's own beside it: of that
# name it is left out, of another one it is an error.
CheckedFiles.__name__ = FileConfigSource.__name__


def check_files() -> None:
    """Let Hydra read all config files by ``CheckedFiles``, here and in processes of launchers."""
    Plugins.instance()  # which registers Hydra's own first
    SourcesRegistry.instance().types[CheckedFiles.scheme()] = CheckedFiles


def _content(file: Path) -> bytes | None:
    """Return what a file holds; None of one that is not to be read, or can't be."""
    try:
        return file.read_bytes() if file.stat().st_size <= MOST_BYTES else None
    except OSError:
        return None


def _foreign(result: ConfigResult) -> Iterator[str]:
    """Yield what of a task's file changes other keys: a package in its header, or a default."""
    package = result.header.get("package")
    if package not in (None, "_group_"):
        yield f"'@package {package}'"
    plain: Any = OmegaConf.to_container(result.config, resolve=False)
    defaults = plain.get("defaults") or [] if isinstance(plain, dict) else []
    for default in defaults if isinstance(defaults, list) else [defaults]:
        if not _is_own(default):
            yield f"default {reprlib.repr(default)}"


def _is_own(default: Any) -> bool:
    """Whether an entry of a defaults list is of the task's own group."""
    if isinstance(default, dict) and len(default) == 1:
        ((group, options),) = default.items()
        names = options if isinstance(options, list) else [options]
        own_options = all(re.fullmatch(_NAME, str(name)) for name in names)
        return bool(re.fullmatch(_OWN_GROUP, str(group))) and own_options
    return isinstance(default, str) and bool(re.fullmatch(_NAME, default))
