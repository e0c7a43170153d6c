"""Where configs are, and what Hydra is told before it composes them.

Importing this registers our resolvers, and every target task as a support task.
"""

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tlbench.config import gpus
from tlbench.config.identity import job_folder_name, slug, stage_folder, unresolved
from tlbench.errors import UserError

_PACKAGE = Path(__file__).parents[1]
# A wheel carries conf/ inside the package, a checkout keeps it beside the package.
CONF_DIR = next(d for d in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if d.is_dir())


def config_dirs() -> Iterator[Path]:
    """Folders with configs: the user's ``--config-dir``, then our own."""
    if HydraConfig.initialized():  # in a job; a cluster's job has not the command line
        for source in HydraConfig.get().runtime.config_sources:
            if source.schema == "file" and source.path:
                yield Path(source.path)
        return
    for flag, value in zip(sys.argv, [*sys.argv[1:], ""], strict=True):
        if flag in ("--config-dir", "-cd"):
            yield Path(value)
        elif flag.startswith("--config-dir="):
            yield Path(flag.partition("=")[2])
    yield CONF_DIR


def task_file(name: str, key: str = "strategy.tasks") -> Path:
    """The YAML file that defines a task.

    Raises:
        UserError: naming ``key``, if no config folder has one.
    """
    for folder in config_dirs():
        file = folder / "target_task" / f"{name}.yaml"
        if file.is_file():
            return file
    raise UserError(
        f"Change {key}: there is no task '{name}' in any target_task folder, in a file of its name."
    )


def _job_folder(root: DictConfig) -> str:
    return stage_folder(root.only_stage) if root.only_stage else job_folder_name(unresolved(root))


def _study(root: DictConfig) -> str:
    """The chosen experiment's name; a job's own config is without the node that holds it."""
    key = "hydra.runtime.choices.experiment"
    choice = OmegaConf.select(root, key)
    if choice is None and HydraConfig.initialized():
        choice = HydraConfig.get().runtime.choices.get("experiment")
    return slug(choice).strip("_") if choice else "adhoc"


def register() -> None:
    """Register the resolvers, and every target task as a support task too."""
    with warnings.catch_warnings():
        # omegaconf 2.4 calls it register_resolver, which is another function in 2.3.
        warnings.filterwarnings("ignore", r"register_new_resolver\(\) is deprecated")
        OmegaConf.register_new_resolver("tlbench.folder", lambda *, _root_: _job_folder(_root_))
        OmegaConf.register_new_resolver("tlbench.slug", slug)
        OmegaConf.register_new_resolver("tlbench.study", lambda *, _root_: _study(_root_))
        OmegaConf.register_new_resolver("tlbench.gpus", lambda: max(1, len(gpus.available())))
        OmegaConf.register_new_resolver("tlbench.gpu", gpus.of_worker)
    store = ConfigStore.instance()
    for folder in config_dirs():
        for file in folder.glob("target_task/*.yaml"):
            node = {"defaults": [{"/target_task@_here_": file.stem}]}
            store.store(group="support_task", name=file.stem, node=node, provider="tlbench")


register()
