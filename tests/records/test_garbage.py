import gc

import pytest

from tlbench.records.garbage import no_collections


@no_collections()
def read(is_sound: bool) -> bool:
    if not is_sound:
        raise ValueError("x")
    return gc.isenabled()


def test_collections_go_on_afterwards_whatever_happens() -> None:
    assert not read(True)
    assert gc.isenabled()
    with pytest.raises(ValueError, match="x"):
        read(False)
    assert gc.isenabled()


def test_who_has_turned_them_off_is_left_alone() -> None:
    with no_collections():
        assert not read(True)
        assert not gc.isenabled()
