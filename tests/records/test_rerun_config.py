from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.records.test_record import record
from tlbench.records.rerun_config import prepare_rerun

STAGE = {"title": "rte", "threads": 2, "devices": 1, "micro_batch_size": 4, "versions": {}}


def test_a_finished_rerun_is_trained_again_and_an_interrupted_one_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    old = record(config={"seed": 0})
    store = prepare_rerun(old) / "store"
    store.mkdir()
    assert (prepare_rerun(old) / "store").exists()
    old.write(store.parent)
    assert not (prepare_rerun(old) / "store").exists()


def test_a_rerun_takes_over_the_conditions_of_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"seed": 0, "trainer": {"devices": "auto"}, "encoder": {"identity": "sha256:a"}}
    config |= {"micro_batch_tokens": 64}
    old = record(config=config, stages=[STAGE], encoder_identity="sha256:a")
    rerun = OmegaConf.load(prepare_rerun(old) / "conf" / "record.yaml")
    assert rerun.trainer == {"devices": 1, "threads": 2}
    assert rerun.micro_batch_size == 4
    assert rerun.micro_batch_tokens is None  # whatever the config of the job that reused it
    assert rerun.encoder.identity is None  # identified again, and compared
    old = record(config=config, stages=[STAGE], encoder_identity="commit:" + "a" * 40)
    rerun = OmegaConf.load(prepare_rerun(old) / "conf" / "record.yaml")
    assert rerun.encoder == {"identity": None, "revision": "a" * 40}
