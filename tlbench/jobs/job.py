"""One Hydra job: an experiment (or one stage of it) from its config to its record."""

import logging
import signal
import sys
import time
import traceback
from contextlib import AbstractContextManager, chdir, nullcontext
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from tlbench import progress
from tlbench.config.unused import check_no_option_of_sweeps, check_used
from tlbench.config.validation import parse_config
from tlbench.console import show_or_hide_progress_bars
from tlbench.errors import UserError
from tlbench.jobs import loggers, signals
from tlbench.jobs.described import describe, summary_of
from tlbench.jobs.dry_run import print_run
from tlbench.jobs.final_scores import ensure_scored
from tlbench.jobs.followed import followed
from tlbench.jobs.runner import StageRunner
from tlbench.plan.build import build
from tlbench.plan.cross_fit import dev_readers
from tlbench.plan.experiment import Experiment
from tlbench.plan.stage import Stage
from tlbench.records.asking import first_asked
from tlbench.records.build import finished_record, with_first, write_failure
from tlbench.records.summary import print_record
from tlbench.store import claims
from tlbench.store.disk import writing
from tlbench.store.store import Store

log = logging.getLogger(__name__)

_INTERRUPTED = "The job was told to stop; the same command again goes on where it was."


def run_job(cfg: DictConfig) -> float | None:
    """Run the experiment of a composed config; its target's score.

    A failure is left in the job's folder too, as a record and in the job's log, because a
    launcher may keep neither. An interrupt is no failure: the same command goes on where it was.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    logging.raiseExceptions = False  # a log on a full disk ends no job, and fills no screen
    dry = not in_sweep and hydra.sweeper.get("dry_run")
    follows = "fail_fast" in hydra.sweeper  # as ours do, and no other
    sweep = Path(hydra.sweep.dir) if in_sweep and follows else None
    with (
        _in_launching_folder(hydra),
        signals.job_of_worker() as may_begin,
        followed(sweep, folder) as follower,
    ):
        if not may_begin or (follower and not follower.may_begin):
            return None
        try:
            if not in_sweep:
                check_no_option_of_sweeps(hydra.overrides.hydra)
                check_used(parse_config(cfg), hydra.overrides.task)
            if not dry:
                return _run_while_held(cfg, folder, in_sweep)
            print_run(build(cfg))
        except BaseException as error:
            was_told = signals.was_told() or (follower and follower.has_stopped)
            if was_told and isinstance(error, KeyboardInterrupt | SystemExit):
                log.warning(_INTERRUPTED)
                return None  # the sweep ends once all of its workers have
            _end_if_interrupted(error)
            _record_failure(cfg, None if dry else folder, error)
            if follower and hydra.sweeper.get("fail_fast"):
                follower.close()
            if isinstance(error, UserError) and not in_sweep:
                sys.exit(1)  # the sentence is in the log; Hydra would print it again
            if in_sweep and isinstance(error, SystemExit):
                # An exit would end the launcher, and with it the jobs that wait for their turn.
                raise RuntimeError(f"the job called sys.exit({error})") from error
            raise
    return None


def _in_launching_folder(hydra: HydraConf) -> AbstractContextManager[None]:
    """Go back to where the command was given, which ``hydra.job.chdir=true`` has left.

    Paths of a config are that folder's: a store in the job's own would be no other job's.
    """
    return chdir(hydra.runtime.cwd) if hydra.job.chdir else nullcontext()


def _end_if_interrupted(error: BaseException) -> None:
    """End the job if an error answers a signal; that is no failure."""
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        raise KeyboardInterrupt from error  # Lightning makes an exit of Ctrl-C
    if _is_told_to_stop(error):
        log.warning(_INTERRUPTED)
        if type(error) is SystemExit:  # submitit's
            raise error
        raise SystemExit(128 + signal.SIGTERM) from None  # Lightning's kind has no code


def _run_while_held(cfg: DictConfig, folder: Path, in_sweep: bool) -> float | None:
    """Run an experiment; in a sweep, which goes on, one that has lost a claim is run again.

    It then waits for whoever has taken over the stage, and finds it in the store.
    """
    while True:
        try:
            return run_experiment(cfg, folder, in_sweep)
        except claims.ClaimLostError as lost:
            if not in_sweep:
                raise
            log.warning("%s", lost)


def run_experiment(cfg: DictConfig, folder: Path, in_sweep: bool) -> float | None:
    """Plan, train what is missing in the store, and write the record into ``folder``.

    Returns:
        The target's score; None if ``only_stage`` asked for a stage alone, or if not defined.

    Raises:
        UserError: for what a user can get wrong, before any training.
    """
    began = time.time()
    place = "hydra.sweep.dir" if in_sweep else "hydra.run.dir"
    with writing(place, folder):
        first_asked(folder)
    show_or_hide_progress_bars(cfg.trainer.progress_bar)
    progress.note(phase="planning")
    experiment = build(cfg, in_sweep)
    if experiment.unresolved:
        raise UserError(experiment.unresolved)
    plan = experiment.plan()
    _warn_if_not_clean(experiment, plan[-1])
    for leak in experiment.leaks:
        log.warning("  of %s %s", experiment.target.name, leak)
    wanted = experiment.last_of(plan)
    store = Store(experiment.config.store_dir)
    alone = experiment.config.only_stage is not None
    job = describe(experiment, plan, folder, wanted if alone else None, in_sweep)
    log.info("%s", job.title)
    opened = loggers.open_logs(experiment.config.logger, job)
    summary: dict[str, Any] = {}
    try:
        execution = StageRunner(store, opened, plan, wanted)
        found = execution.run()
        if alone:
            summary = {"stage": wanted.key}
            return None
        ensure_scored(store, wanted)
        record = finished_record(experiment, plan, found, execution.trained)
        record.seconds = round(time.time() - began, 2)
        with writing(place, folder):
            record = with_first(record, folder)
            record.write(folder)
        summary = summary_of(record)
    finally:
        opened.finish(summary, failed=not summary)
    if not progress.is_followed():  # a sweep that follows its jobs says it itself
        print_record(record, folder, experiment.title if in_sweep else None)
    return record.score


def _warn_if_not_clean(experiment: Experiment, final: Stage) -> None:
    """Say what keeps a cross-fitted score that is asked for from being clean."""
    readers = dev_readers(final, experiment.target.name)
    if final.wants_cross_fit and readers:
        log.warning(
            "  the cross-fitted score of %s is not clean: all of the target's dev rows have "
            "decided more than the last choice: %s",
            experiment.title,
            ", ".join(readers),
        )


def _is_told_to_stop(error: BaseException) -> bool:
    """Whether an exit answers a signal: Lightning's kind SIGTERM, submitit's the time limit."""
    if type(error) is SystemExit:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        return str(frame.f_globals.get("__name__")).startswith("submitit.")
    return isinstance(error, SystemExit)


def _record_failure(cfg: DictConfig, folder: Path | None, error: BaseException) -> None:
    """Say why, and leave a failed record unless there is a finished one; in no folder none.

    Nor if the claim is lost: whoever has taken it over trains the stage.
    """
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    shown = None if isinstance(error, UserError) else error  # its sentence says all
    log.error("%s", said if shown is None else "The job failed:", exc_info=shown)
    if folder and not isinstance(error, claims.ClaimLostError):
        write_failure(cfg, said, folder)
