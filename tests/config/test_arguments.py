"""What a user need not write on the command line."""

from pathlib import Path

import pytest

from tlbench.config import search_path
from tlbench.config.arguments import completed, with_added_keys, with_mode, with_words
from tlbench.config.search_path import CONF_DIR
from tlbench.errors import UserError

MULTIRUN = "hydra.mode=MULTIRUN"


@pytest.mark.parametrize(
    ("words", "complete"),
    [
        (["experiment=smoke", "--cfg", "job"], ["experiment=smoke", MULTIRUN, "--cfg", "job"]),
        (["experiment='smoke.yaml'"], ["experiment='smoke.yaml'", MULTIRUN]),
        (["experiment=[paper,smoke]"], ["experiment=[paper,smoke]", MULTIRUN]),
        (["seed=1", "experiment=mine"], ["seed=1", "experiment=mine", MULTIRUN]),
    ],
)
def test_the_mode_of_an_experiment_stands_beside_it(
    words: list[str], complete: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("defaults: [paper_grid, _self_]\n")
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    assert with_mode(words) == complete


@pytest.mark.parametrize(
    "words",
    [
        ["experiment=paper"],
        ["experiment=nope"],
        ["experiment=smoke", "hydra.mode=RUN"],
        ["experiment=paper,smoke"],
        ["experiment=["],
        ["~experiment"],
    ],
)
def test_no_mode_is_added_to_other_arguments(words: list[str]) -> None:
    assert with_mode(words) == words


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of options with the tasks 2024 and mine, whose sources are their own."""
    (tmp_path / "target_task").mkdir()
    for name in ("2024", "mine"):
        (tmp_path / "target_task" / f"{name}.yaml").write_text(f"name: {name}\nsource: {{}}\n")
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    return tmp_path


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("target_task=2024", "target_task='2024'"),
        ("support_task=2024,rte", "support_task='2024',rte"),
        ("target_task=null", "target_task='null'"),
        ("target_task=1e5,true", "target_task='1e5','true'"),
        ("target_task=rte,no", "target_task=rte,no"),
        ("target_task='2024'", "target_task='2024'"),
        ("subsample_size.target=100", "subsample_size.target=100"),
        ("seed=1,2", "seed=1,2"),
        ("target_task=[", "target_task=["),
        ("~experiment", "~experiment"),
        ("~suite=-1", "~suite='-1'"),  # of which Hydra makes a traceback
        ("~suite=1,2", "~suite=1,2"),
    ],
)
def test_the_name_of_an_option_is_a_word(mine: Path, word: str, quoted: str) -> None:
    assert with_words([word]) == [quoted]


@pytest.mark.parametrize("word", ["~suite=[1]", "~suite={a: 1}"])
def test_a_choice_is_deleted_by_its_name(word: str) -> None:
    with pytest.raises(UserError, match="write ~suite alone, or the name of one option"):
        with_words([word])


@pytest.mark.parametrize(
    ("word", "added"),
    [
        ("target_task.source.test=x.csv", "++target_task.source.test=x.csv"),
        ("target_task.source.dev=0.1,0.2", "++target_task.source.dev=0.1,0.2"),
        ("target_task.kind=mine", "++target_task.kind=mine"),
        ("suite.sources.rte.header=false", "++suite.sources.rte.header=false"),
        ("suite.sources.rte.tset=x", "suite.sources.rte.tset=x"),  # which Hydra refuses
        ("suite.sources.rtee.test=x", "suite.sources.rtee.test=x"),
        ("+target_task.source.test=x", "+target_task.source.test=x"),
        ("~target_task.source.test", "~target_task.source.test"),
        ("optim.lr=1", "optim.lr=1"),
    ],
)
def test_keys_that_a_task_need_not_have_are_added(mine: Path, word: str, added: str) -> None:
    assert with_added_keys(["target_task=mine", word]) == ["target_task=mine", added]


@pytest.mark.parametrize(
    "words",
    [[], ["target_task=mine,rte"], ["experiment=quickstart"]],
)
def test_the_source_of_a_suite_is_set_in_the_suite(mine: Path, words: list[str]) -> None:
    """Hydra would replace the interpolation by a source with that one key."""
    with pytest.raises(UserError) as refused:
        with_added_keys([*words, "target_task.source.test=x"])
    assert str(refused.value) == (
        "Change target_task.source.test: the source of 'rte' is the suite's; set "
        "suite.sources.rte.test."
    )


@pytest.mark.parametrize(
    "words",
    [["target_task=no"], ["support_task=rte,no"], ["experiment=mine"]],
)
def test_a_task_whose_words_are_read_as_others_is_refused(mine: Path, words: list[str]) -> None:
    (mine / "target_task" / "no.yaml").write_text("name: no\n")
    (mine / "experiment").mkdir()
    (mine / "experiment" / "mine.yaml").write_text("defaults:\n  - override /target_task: 'no'\n")
    with pytest.raises(UserError, match=r"^Change name in .*no\.yaml: write 'no' in quotes"):
        completed(words)
