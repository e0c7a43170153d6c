"""A record says which experiment it was, and it is planned again from that alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.experiments import Run
from tlbench.errors import UserError
from tlbench.records.planned import planned
from tlbench.records.record import ResultRecord

PLACE = "cache_dir"


@pytest.fixture
def made(run: Run) -> ResultRecord:
    return run("target_task=rte", "subsample_size.target=40")


def test_the_experiment_has_the_rows_the_encoder_and_the_key_of_the_record(
    made: ResultRecord, cache: Path
) -> None:
    experiment = planned(made, [f"{PLACE}={cache}"])
    assert experiment.target.count == 40
    assert experiment.target.digests == made.digests["rte"]
    assert experiment.config.encoder.identity == made.encoder_identity
    assert [experiment.stage([experiment.target]).key] == made.stage_keys
    assert experiment.config.cache_dir == str(cache)


def test_overrides_change_values(made: ResultRecord, cache: Path) -> None:
    overrides = [f"{PLACE}={cache}", "subsample_size.target=30"]
    assert planned(made, overrides).target.count == 30


@pytest.mark.parametrize(
    ("changes", "overrides", "message"),
    [
        ({"encoder_identity": "sha256:" + "0" * 16}, [], r"^Change encoder\.name: the files there"),
        ({}, ["encoder.name=/nowhere/at/all"], "/nowhere/at/all"),
        ({}, ["no.such.key=1"], "no"),
        ({"config": {"hydra": {}}}, [], "^Give another record: its config is none"),
    ],
)
def test_what_can_not_be_planned_is_one_sentence(
    changes: dict[str, object],
    overrides: list[str],
    message: str,
    made: ResultRecord,
    cache: Path,
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        planned(replace(made, **changes), [f"{PLACE}={cache}", *overrides])  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_code_from_elsewhere_needs_trust(made: ResultRecord) -> None:
    encoder = made.config["encoder"] | {"trust_remote_code": True}
    with pytest.raises(UserError, match=r"^Add --trust"):
        planned(replace(made, config=made.config | {"encoder": encoder}))
