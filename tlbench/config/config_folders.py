"""The config folders that a command line names: by its options and by ``hydra.searchpath``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.command_line import CommandLine
from tlbench.config.homes import expanded
from tlbench.config.overrides import read_option
from tlbench.config.search_path import CONF_DIR, folder_of, use
from tlbench.config.syntax import quoted
from tlbench.errors import UserError

_KEY = "hydra.searchpath"


def with_config_folders(line: CommandLine) -> CommandLine:
    """Search the config folders that a command line names; return it with their whole paths.

    Raises:
        UserError: naming what to change, if one is not there.
    """
    options = dict(line.options)
    for name in ("config_path", "config_dir"):
        if name in options:
            options[name] = _whole(options[name], f"--{name.replace('_', '-')}")
    main = Path(options.get("config_path", CONF_DIR))
    own = [Path(options["config_dir"])] if "config_dir" in options else []
    written = _in_overrides(line.overrides)
    is_given = written is not None
    if written is None:
        written = _in_primary(options, [main, *own])
    entries = [expanded(entry, _KEY) for entry in written]
    for entry in entries:
        folder = folder_of(entry)
        if folder is not None and not folder.is_dir():
            raise UserError(f"Change {_KEY}: there is no folder {entry}.")
        own += [folder] if folder else []
    use(main, own)
    overrides = list(line.overrides)
    if entries != written:
        others = [word for word in overrides if not (is_given and _is_of_searchpath(word))]
        overrides = [f"{_KEY}=[{','.join(map(quoted, entries))}]", *others]
    return replace(line, options=options, overrides=overrides)


def _whole(path: str, option: str) -> str:
    folder = Path(expanded(path, option))
    if not folder.is_dir():
        raise UserError(f"Change {option}: there is no folder {folder}.")
    return str(folder.absolute())


def _is_of_searchpath(word: str) -> bool:
    return word.partition("=")[0].strip("+ ") == _KEY


def _in_overrides(overrides: Sequence[str]) -> list[str] | None:
    """Return the entries of the first override of the search path, which Hydra takes."""
    for word in filter(_is_of_searchpath, overrides):
        (override,) = OverridesParser.create().parse_overrides([word])
        value: Any = override.value()
        if override.is_sweep_override():
            raise UserError(f"Change {_KEY}: a sweep has one, of all its folders: [a,b].")
        if not isinstance(value, list):
            raise UserError(f"Write {_KEY}=[{word.partition('=')[2]}]: it is a list.")
        return [str(getattr(entry, "text", entry)) for entry in value]
    return None


def _in_primary(options: Mapping[str, Any], folders: Sequence[Path]) -> list[str]:
    """Return the entries that the primary config has.

    Raises:
        UserError: if ``--config-name`` names no file.
    """
    name = str(options.get("config_name", "config")).removesuffix(".yaml")
    file = next((file for one in folders if (file := one / f"{name}.yaml").is_file()), None)
    if file is None:
        places = " or ".join(map(str, folders))
        raise UserError(f"Change --config-name: there is no {name}.yaml in {places}.")
    if file.parent == CONF_DIR:
        return []  # ours has none
    try:
        entries = OmegaConf.select(read_option(file), _KEY)
    except OmegaConfBaseException:
        return []  # Hydra says what is missing
    return list(map(str, entries)) if OmegaConf.is_list(entries) else []
