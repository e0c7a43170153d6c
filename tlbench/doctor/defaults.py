"""What tlbench does where nothing is set, and what experiments set."""

from typing import Any

import hydra

from tlbench.config.identity import unresolved
from tlbench.config.overrides import read_option
from tlbench.config.schema import Config
from tlbench.config.search_path import CONF_DIR
from tlbench.config.validation import parse_config


def default_config(*overrides: str) -> Config:
    """Return the config of ``tlbench`` with these overrides alone."""
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return parse_config(hydra.compose("config", overrides=list(overrides)))


def precisions_of_experiments() -> dict[str, list[str]]:
    """Return by precision the experiments that set it, themselves or by those that they extend."""
    found: dict[str, list[str]] = {}
    for file in sorted((CONF_DIR / "experiment").glob("*.yaml")):
        if precision := _precision(file.stem):
            found.setdefault(precision, []).append(file.stem)
    return found


def _precision(experiment: str) -> str | None:
    content = _read(f"experiment/{experiment}")
    own = content.get("trainer", {}).get("precision")
    extended = [name for name in content.get("defaults", ()) if isinstance(name, str)]
    below = [_precision(name) for name in extended if name != "_self_"]
    return own or next((one for one in below[::-1] if one), None)


def _read(name: str) -> dict[str, Any]:
    return unresolved(read_option(CONF_DIR / f"{name}.yaml"))
