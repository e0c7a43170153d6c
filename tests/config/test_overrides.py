from pathlib import Path

import pytest

from tlbench.config import overrides, search_path
from tlbench.config.overrides import check_choices, options, with_mode
from tlbench.errors import UserError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["target_task=nope"], "Change target_task: there is no 'nope'; there are cola, "),
        (["support_task=nope"], "Change support_task: there is no 'nope'; there are .*none"),
        (["-m", "target_task=rte,nope"], "there is no 'nope'"),
        (["-m", "target_task=choice(rte,nope)"], "there is no 'nope'"),
        (["support_task=null"], "there is no 'null'"),
        (["subsample_size=100"], "there is no '100'; there are full, half"),
        (["experiment=[paper,nope]"], "there is no 'nope'"),
        (["-m", "experiment=search"], "Add hydra/sweeper=optuna: experiment=search is a search"),
    ],
)
def test_an_unknown_option_is_named_with_those_there_are(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_choices(words)


@pytest.mark.parametrize(
    "word",
    [
        "target_task=rte",
        "target_task=rte,mnli",
        "target_task=glob(*)",
        "target_task='rte'",
        "subsample_size={target: 5}",
        "~experiment",
        "+x=1",
        "optim.lr=1",
        "seed=range(3)",
        "hydra/launcher=joblib",
        "experiment=[paper]",
        "target_task=rte.yaml",
    ],
)
def test_everything_else_is_hydras(word: str) -> None:
    check_choices(["-m", "--config-dir", "x", word])


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
    monkeypatch.setattr(search_path.sys, "argv", ["tlbench", "--config-dir", str(tmp_path)])
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


@pytest.mark.parametrize(
    ("word", "extra"),
    [
        ("hydra/launcher=slurm", "slurm"),
        ("hydra/launcher=submitit_local", "slurm"),
        ("hydra/launcher=joblib", "parallel"),
        ("hydra/launcher=gpus", "parallel"),
        ("hydra/sweeper=optuna", "optuna"),
    ],
)
def test_a_plugin_that_is_not_installed_is_named_with_its_extra(
    word: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overrides, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"{word} needs: pip install 'tlbench\[{extra}\]'"):
        check_choices([word])
    monkeypatch.setattr(overrides, "find_spec", lambda name: name)
    check_choices([word, "experiment=search", "hydra/sweeper=optuna"])


def test_options_of_a_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target_task").mkdir()
    (tmp_path / "target_task" / "mine.yaml").touch()
    monkeypatch.setattr(search_path.sys, "argv", ["tlbench", f"--config-dir={tmp_path}"])
    assert {"mine", "rte"} <= set(options("target_task"))
    assert {"mine", "rte", "none"} <= set(options("support_task"))
    assert options("optim.lr") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"5\n", "can't be read as YAML"),
        (b"[1]\n", "it is not a mapping"),
        (b"name:\tx\n\ty: 1\n", "can't be read as YAML .*line 1, column [67]"),
        (b"name: \xff\n", "can't be read as YAML"),
        (b"name: a\nname: b\n", "found duplicate key name"),
        (b"[" * 5_000, "can't be read as YAML"),
    ],
)
@pytest.mark.parametrize("group", ["target_task", "support_task"])
def test_a_file_that_is_no_option_is_named(
    group: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "target_task" / "mine.yaml"
    file.parent.mkdir()
    file.write_bytes(content)
    monkeypatch.setattr(search_path.sys, "argv", ["tlbench", "--config-dir", str(tmp_path)])
    with pytest.raises(UserError, match=f"Change .*mine.yaml: .*{said}"):
        check_choices([f"{group}=rte,mine"])
    check_choices([f"{group}=rte"])
