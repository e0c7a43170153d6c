import getpass
from pathlib import Path

import pytest

from tlbench.jobs.private import without_places


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/data/alice/glue", ".../glue"),
        ("/data/alice/glue/", ".../glue"),
        ("~/enc", ".../enc"),
        ("~", "..."),
        ("/", "/"),
        ("\\t", "\\t"),
        ("\\\\host\\alice\\enc", ".../enc"),
        ("..", "..."),
        ("../alice/enc", ".../enc"),
        ("file:///data/alice/mlruns", ".../mlruns"),
        ("C:\\Users\\alice\\enc", ".../enc"),
        (f"/home/{getpass.getuser()}", "..."),
        ("https://alice:secret@host.org/enc", "https://host.org/enc"),
        ("multirun/.store", "multirun/.store"),
        ("roberta-base", "roberta-base"),
        ("alice/roberta", "alice/roberta"),
        ("package:tlbench/assets/tiny", "package:tlbench/assets/tiny"),
        ("{text_a} / {text_b}", "{text_a} / {text_b}"),
        ("...and so on", "...and so on"),
    ],
)
def test_a_path_that_leads_out_of_the_working_folder_is_its_last_part(path: str, said: str) -> None:
    assert without_places({"a": [path]}) == {"a": [said]}


def test_a_path_in_the_working_folder_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_places(str(tmp_path / "multirun" / "job")) == "multirun/job"


def test_what_is_no_text_stays_as_it_is() -> None:
    plain = {"labels": ["/r/news", "~"], "a": 1, "b": None, "c": 0.5, "d": True}
    assert without_places(plain) == plain
