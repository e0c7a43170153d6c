"""Where configs are, and what Hydra is told before it composes them.

Importing this registers our resolvers, and every target task as a support task.
"""

import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import product
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


# Hydra 1.3 takes the defaults of 1.1 unless it is told; 1.4 has no others, and warns of being told.
warnings.filterwarnings("ignore", "The version_base parameter is deprecated")
# It makes our callback itself, and warns that it does so without a list of what may be made.
warnings.filterwarnings("ignore", r"hydra\.utils\.instantiate\(\) resolved _target_='tlbench\.")

_folders = [CONF_DIR]  # in the order of Hydra's search path


def config_dirs() -> Iterator[Path]:
    """Yield the folders with configs as Hydra searches them: our own, then those of the user."""
    if not HydraConfig.initialized():
        yield from _folders
        return
    # In a job, which on a cluster has not the command line.
    for source in HydraConfig.get().runtime.config_sources:
        if source.provider not in ("hydra", "schema"):
            folder = folder_of(f"{source.schema}://{source.path}")
            if folder is not None:
                yield folder


def folder_of(address: str) -> Path | None:
    """Return the folder that an entry of ``hydra.searchpath`` means, be it there or not.

    None of an entry that is none of the file system's.
    """
    scheme, separator, place = address.rpartition("://")
    if scheme in ("", "file"):
        return Path(place if separator else address)
    if scheme != "pkg":
        return None
    try:
        spec = find_spec(place)
    except (ImportError, ValueError):  # of a package above, or of an empty name
        spec = None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else Path(address)


def use(main: Path, more: Sequence[Path]) -> None:
    """Search other folders from now on.

    Args:
        main: that of the primary config.
        more: the user's.
    """
    _folders[:] = [main, *more]
    _register_support_tasks()


def task_file(name: str, key: str = "strategy.tasks") -> Path:
    """The YAML file that defines a task.

    Raises:
        UserError: naming ``key``, if no config folder has one.
    """
    for group, folder in product(("target_task", "support_task"), config_dirs()):
        file = folder / group / f"{name}.yaml"
        if file.is_file():
            return file
    raise UserError(
        f"Change {key}: there is no task '{name}' in any target_task or support_task folder, in a "
        "file of its name."
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
    _register_support_tasks()


def _register_support_tasks() -> None:
    store = ConfigStore.instance()
    for folder in config_dirs():
        for file in folder.glob("target_task/*.yaml"):
            if f"{file.stem}.yaml" in store.repo.get("support_task", {}):
                continue  # as all of ours are once a command line has been read; Hydra 1.4 warns
            node = {"defaults": [{"/target_task@_here_": file.stem}]}
            store.store(group="support_task", name=file.stem, node=node, provider="tlbench")


register()
