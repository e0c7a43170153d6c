from pathlib import Path

import pytest

from tlbench.errors import UserError
from tlbench.sweep.race_state import RaceState


def test_what_was_begun_is_read_again(tmp_path: Path) -> None:
    state = RaceState.read(tmp_path, [3, 5], {})
    assert state.experiments == []
    state.begin(tmp_path, ["a", "b"], ["k1", "k2"])
    state.begin(tmp_path, ["c"], ["k2", "k3"])
    again = RaceState.read(tmp_path, [3, 5], {})
    assert again == state
    assert again.experiments == ["a", "b", "c"]
    assert again.stages == ["k1", "k2", "k3"], "each counts once"


def test_a_stage_that_is_launched_once_more_counts_once_and_is_no_round(tmp_path: Path) -> None:
    state = RaceState.read(tmp_path, None, {})
    state.begin(tmp_path, ["a"], ["k1"])
    state.launch(tmp_path, ["k1", "k2"])
    assert RaceState.read(tmp_path, None, {}).stages == ["k1", "k2"]
    assert len(RaceState.read(tmp_path, None, {}).rounds) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"rounds": 3, "checksum": "x"}', '{"laps": []}'])
def test_a_damaged_file_is_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "race.json").write_text(text)
    with pytest.raises(UserError, match=r"^Remove .*race.json: it can't be read"):
        RaceState.read(tmp_path, None, {})


def test_looks_stay_those_it_began_with(tmp_path: Path) -> None:
    RaceState.read(tmp_path, None, {}).begin(tmp_path, ["a"], ["k"])
    with pytest.raises(UserError, match=r"^Change hydra.sweeper.looks to null"):
        RaceState.read(tmp_path, [5], {})


def test_the_protocol_stays_that_it_began_with(tmp_path: Path) -> None:
    began = {"optim.lr": "2e-05", "selection": "dev"}
    RaceState.read(tmp_path, None, began).begin(tmp_path, ["a"], ["k"])
    with pytest.raises(UserError, match=r"^Change study, as this race began with optim.lr=2e-05:"):
        RaceState.read(tmp_path, None, began | {"optim.lr": "0.001"})
    later = began | {"subsample_size.per_task.sst2": "600"}  # of a support that is new
    RaceState.read(tmp_path, None, later).launch(tmp_path, [])
    with pytest.raises(UserError, match=r"subsample_size.per_task.sst2=600"):
        RaceState.read(tmp_path, None, later | {"subsample_size.per_task.sst2": "300"})


def test_a_file_of_before_the_protocol_was_kept_takes_the_first_that_it_sees(
    tmp_path: Path,
) -> None:
    RaceState.read(tmp_path, None, {}).begin(tmp_path, ["a"], ["k"])
    RaceState.read(tmp_path, None, {"optim.lr": "2e-05"}).launch(tmp_path, [])
    with pytest.raises(UserError, match=r"^Change study"):
        RaceState.read(tmp_path, None, {"optim.lr": "0.1"})
