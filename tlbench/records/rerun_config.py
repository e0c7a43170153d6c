"""From a record to a config that trains its experiment again, and to the record of that."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.identity import job_folder_name
from tlbench.config.keys import is_known
from tlbench.config.schema import Config, Task
from tlbench.config.suggestions import unknown
from tlbench.config.validation import checked
from tlbench.errors import UserError
from tlbench.records.older import with_later_keys
from tlbench.records.record import RECORD_FILE, ResultRecord, read_record
from tlbench.records.trust import check_trusted, installed
from tlbench.tasks.definition import check_task

CONFIG_FOLDER = "conf"
CONFIG_NAME = "record"
_RERUNS = Path("multirun") / "rerun"
# A record does not hold Hydra's part of the config: choose the logging of tlbench again.
_PLAIN = [{"override hydra/job_logging": "plain"}, {"override hydra/hydra_logging": "plain"}]


def prepare_rerun(
    record: ResultRecord,
    parent: Path = _RERUNS,
    changed: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> Path:
    """Write a record as a config, into a folder of its own; return that.

    A rerun that was finished is done again; one that was interrupted is resumed.

    Args:
        parent: of the folder.
        changed: values of the config in place of the record's; without ``store_dir`` among them the
            folder has a store of its own.
        trust: whether the record may name code from anywhere, as a config may.

    Raises:
        UserError: if the record's config or tasks can't be used, or need ``trust``.
    """
    record = with_usable_config(record, trust)
    folder = parent / job_folder_name(record.config)
    # A record is written last, so one that is there is of a finished rerun.
    if (folder / RECORD_FILE).exists():
        shutil.rmtree(folder)
    _write_tasks(record, folder / CONFIG_FOLDER / "target_task")
    try:
        config = OmegaConf.create(_config(record, folder) | dict(changed or {}))
    except OmegaConfBaseException as error:
        raise UserError(f"Give another record: its config can't be used ({error}).") from error
    OmegaConf.save(config, folder / CONFIG_FOLDER / f"{CONFIG_NAME}.yaml")
    return folder


def with_usable_config(record: ResultRecord, trust: bool = False) -> ResultRecord:
    """Return the record with a config of today's keys, which asks for nothing that needs trust.

    Raises:
        UserError: if it is no config, or needs ``trust``.
    """
    record = with_later_keys(record)
    for name in record.config:
        if not is_known(Config, name):  # hydra and defaults above all
            raise UserError(f"Give another record: its config is none ({unknown(name)})")
    if not trust:
        check_trusted(record)
    return record


def run_config(
    folder: Path, overrides: Sequence[str] = (), output: int | None = None, trust: bool = False
) -> ResultRecord:
    """Run the config that ``prepare_rerun`` has written, as a user would; return its record.

    Args:
        overrides: values to change.
        output: the file descriptor that it prints to; None for standard output.
        trust: whether code may be imported from the current folder.

    Raises:
        UserError: if that fails.
    """
    # In a process of its own, as Hydra is made to run once a process, with its own log and exit.
    config = ["--config-dir", str(folder / CONFIG_FOLDER), "--config-name", CONFIG_NAME]
    command = [sys.executable, "-m", "tlbench", *config, *overrides]
    environment = None if trust else _without_current_folder()
    # Fixed words and no shell; the overrides are the user's own, as for tlbench.
    if subprocess.run(command, stdout=output, env=environment).returncode:  # noqa: S603  # nosec B603
        raise UserError(f"The rerun has failed, as it says above and in {folder / 'tlbench.log'}.")
    return read_record(folder / RECORD_FILE)


def _without_current_folder() -> dict[str, str]:
    """Return an environment in which Python does not import from the current folder.

    It still finds tlbench where it has been found, as in a clone that is not installed.
    """
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in entries if Path(entry).is_absolute()]  # an empty one is the current
    own = Path(__file__).resolve().parents[2]
    if own not in installed():
        kept.append(str(own))
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(kept)}


def _write_tasks(record: ResultRecord, folder: Path) -> None:
    """Write the record's tasks as options of a config group, since they may be a user's own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, definition in record.tasks.items():
        task = checked(Task, OmegaConf.create(definition), f"tasks.{name}")
        check_task(task)  # above all its name: it becomes that of a file
        OmegaConf.save(OmegaConf.create(asdict(task)), folder / f"{task.name}.yaml")


def _config(record: ResultRecord, folder: Path) -> dict[str, Any]:
    """Return the record's config with folders of its own, without what only its job needed.

    It takes over the conditions under which the last stage was trained, and the hub's commit. What
    is in an encoder's folder now is identified again, so that other files are named and not
    refused.
    """
    config = record.config
    changed = {
        "allow_leakage": True,  # what is trained again was allowed, or was not looked at then
        "store_dir": str(folder / "store"),
        "cache_dir": str(folder / "cache"),
        "logger": {},
        "only_stage": None,  # set where a sweep trained a stage alone
        "trainer": config.get("trainer", {}) | _conditions(record, "threads", "devices"),
        "encoder": config.get("encoder", {}) | encoder_files(record),
        "micro_batch_tokens": None,
        **_conditions(record, "micro_batch_size", "micro_batch_tokens"),
    }
    if (config.get("strategy") or {}).get("supports") not in ("one", None):
        changed["support_task"] = {}  # a sweep gives it to all strategies, a single run refuses it
    hydra = {"run": {"dir": str(folder)}, "job": {"name": "tlbench", "chdir": False}}
    return {"defaults": [*_PLAIN, "_self_"], **config, **changed, "hydra": hydra}


def _conditions(record: ResultRecord, *names: str) -> dict[str, Any]:
    """Return those conditions of the last stage that are known; of an older record none is."""
    last = record.stages[-1] if record.stages else {}
    return {name: last[name] for name in names if last.get(name) is not None}


def encoder_files(record: ResultRecord) -> dict[str, str | None]:
    """Return the values of ``encoder`` that select its files: of the hub, the record's commit."""
    kind, _, commit = (record.encoder_identity or "").partition("+")[0].partition(":")
    return {"identity": None} | ({"revision": commit} if kind == "commit" else {})
