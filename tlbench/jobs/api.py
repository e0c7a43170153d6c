"""``tlbench.run``: an experiment from Python, as the command line would run it."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from tlbench.config.arguments import arguments_for_hydra
from tlbench.config.refusals import in_one_sentence
from tlbench.config.search_path import CONF_DIR
from tlbench.config.syntax import quoted
from tlbench.config.task_files import check_files
from tlbench.console import silence
from tlbench.errors import UserError
from tlbench.jobs.job import run_job
from tlbench.records.record import RECORD_FILE, ResultRecord, read_record


def run(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> ResultRecord:
    """Run one experiment in this process; return its record.

    What has a record, or a stage in the store, is not trained again. Nothing is printed but the
    log, on standard error.

    Args:
        overrides: as on the command line: ``["target_task=rte", "seed=1"]``.
        config_dir: a folder of configs of your own, as ``--config-dir``.

    Returns:
        The record, whose ``status`` is ``done`` or ``diverged``.

    Raises:
        UserError: if something asked for has to be changed; it says what.
        Exception: whatever else ends the training.
    """
    folders = [] if config_dir is None else [f"hydra.searchpath=[{quoted(str(config_dir))}]"]
    words = arguments_for_hydra([*folders, *overrides])
    if options := [word for word in words if word.startswith("-")]:
        raise UserError(f"Remove {options[0]}: tlbench.run takes overrides, key=value.")
    if any(word.startswith("hydra.mode=") and "MULTIRUN" in word.upper() for word in words):
        raise UserError("Use the command line: this is a sweep, and tlbench.run runs one job.")
    check_files()
    with silence(), _as_before(), hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        composer: Any = GlobalHydra.instance().hydra  # its `run`, which compose() does without
        try:
            job = composer.run("config", _run_job, words)
        except CompactHydraException as error:
            raise UserError(in_one_sentence(error, words)) from error
    _ = job.return_value  # raises what has ended the job
    return read_record(Path(job.hydra_cfg.hydra.runtime.output_dir) / RECORD_FILE)


def _run_job(cfg: DictConfig) -> float | None:
    if HydraConfig.get().sweeper.get("dry_run"):
        raise UserError("Use the command line: a dry run leaves no record.")
    try:
        return run_job(cfg)
    except SystemExit as end:
        if isinstance(end.__context__, UserError):
            raise end.__context__ from None  # a process would end here, whose log says it
        raise


@contextmanager
def _as_before() -> Iterator[None]:
    """Put back the log that the caller had, and no config of a job: Hydra leaves its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        HydraConfig.instance().cfg = None
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:], root.level = handlers, level
