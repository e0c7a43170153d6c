from tests.records.test_record import record
from tlbench.cli.rerun_differences import differences


def test_what_differs_is_named() -> None:
    old = record(versions={"a": "1", "b": "1"}, git_revision="abc", device="cpu")
    new = record(versions={"a": "1", "b": "2", "c": "3"}, git_revision=None, device="cpu")
    assert differences(old, new) == {
        "b": ("1", "2"),
        "c": (None, "3"),
        "git revision": ("abc", None),
    }
    assert differences(old, old) == {}


STAGE = {"title": "rte", "threads": 2, "devices": 1, "micro_batch_size": 4, "versions": {}}


def test_other_rows_are_named() -> None:
    old = record(digests={"rte": {"train": "a" * 64, "dev": "b" * 64}})
    new = record(digests={"rte": {"train": "a" * 64, "dev": "c" * 64}})
    assert differences(old, new) == {"rows of rte, dev": ("b" * 8, "c" * 8)}
    assert differences(record(), new) == {}


def test_what_differs_of_a_stages_conditions_is_named() -> None:
    old = record(stages=[{**STAGE, "title": "mnli"}, STAGE], encoder_identity="sha256:a")
    now = [{**STAGE, "title": "mnli", "threads": 1}, {**STAGE, "versions": {"torch": "3"}}]
    new = record(stages=now, encoder_identity="sha256:b")
    assert differences(old, new) == {
        "mnli: threads": (2, 1),
        "rte: torch": (None, "3"),
        "encoder files": ("sha256:a", "sha256:b"),
    }
