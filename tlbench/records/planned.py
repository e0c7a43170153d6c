"""From a record to its experiment, as this machine would plan it, without training anything."""

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.experiment import Experiment
from tlbench.records.places import given_anew
from tlbench.records.record import ResultRecord
from tlbench.records.rerun_config import encoder_files, with_usable_config

_CACHE = "multirun/.cache"  # as in conf/config.yaml: the record's own may be of another machine


def planned(record: ResultRecord, overrides: Sequence[str] = (), trust: bool = False) -> Experiment:
    """Return the experiment of a record, its encoder and its rows where they are here.

    Args:
        overrides: ``key=value`` each: above all paths that the record was published without.
        trust: whether the record may name code from anywhere, as a config may.

    Raises:
        UserError: if the record's config can't be used or needs ``trust``, if rows or encoder are
            not there, or if the encoder's files are others than the record's.
    """
    record, others = given_anew(record, overrides)
    record = with_usable_config(record, trust)
    try:
        config = OmegaConf.create(record.config | _changed(record))
        config.merge_with_dotlist(others)
    except OmegaConfBaseException as error:
        raise UserError(f"Give another record: its config can't be used ({error}).") from error
    experiment = build(config, in_sweep=True)
    if experiment.unresolved is not None:
        raise UserError(experiment.unresolved)
    then, now = record.encoder_identity, experiment.config.encoder.identity
    if then is not None and then != now:
        raise UserError(
            f"Change encoder.name: the files there are not those of the record ({now}, not {then})."
        )
    return experiment


def _changed(record: ResultRecord) -> dict[str, Any]:
    """Return the values of the config that are of a job, or of another machine."""
    return {
        "allow_leakage": True,  # what is planned was trained already
        "cache_dir": _CACHE,
        "logger": {},
        "only_stage": None,
        "encoder": record.config.get("encoder", {}) | encoder_files(record),
    }
