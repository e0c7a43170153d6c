"""A key that the chosen option of a group lacks: the sentence says which options have it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.errors import CompactHydraException

from tests.support.composing import compose_config
from tlbench.config import search_path
from tlbench.config.group_options import check_no_option_of_hydra
from tlbench.config.refusals import in_one_sentence
from tlbench.config.search_path import CONF_DIR
from tlbench.errors import UserError


def refused(*words: str) -> str:
    with pytest.raises(CompactHydraException) as raised:
        compose_config(*words)
    return in_one_sentence(raised.value, words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "strategy=merge merging.scale=0.3",
            "Change merging.scale: merging=average has no scale; task_arithmetic and ties have.",
        ),
        ("merging.rows=3", "Change merging.rows: no merging is chosen; regmean has."),
        ("merging=ties merging.rows=3", "Change merging.rows: merging=ties has no rows; regmean h"),
        ("method.lr=0.1", "Change method.lr: method=sum has no lr; uncertainty has."),
        (
            "method=dwa method.windo=3",
            "Change method.windo: method=dwa has no windo; did you mean m",
        ),
        (
            "method=cagrad method.c=1",
            "Change method.c: method=cagrad has no c; did you mean method.",
        ),
        ("method.foo=1", "Change method.foo: method=sum has no foo; it has none of its own."),
        ("method=dwa method.foo=1", "method=dwa has no foo; it has temperature, window."),
        ("logger=none logger.wandb.project=x", "logger=none has no wandb.project; wandb has."),
        ("suite.foo=1", "suite=glue has no foo; it has root, seed, sources."),
        ("subsample_size.per_task.rte=9", "Write +subsample_size.per_task.rte=<value>: subsample_"),
        ("hydra.sweeper.trainings=3", "hydra/sweeper=staged has no trainings; race has."),
        ("hydra.launcher.n_jobs=2", "hydra/launcher=basic has no n_jobs; gpus and joblib have."),
        (
            "hydra/launcher=joblib hydra.launcher.stages_per_job=2",
            "hydra/launcher=joblib has no stages_per_job; slurm ",
        ),
        ("hydra/launcher=joblib hydra.launcher.n_job=2", "did you mean hydra.launcher.n_jobs?"),
    ],
)
def test_the_options_that_have_it_are_named(words: str, said: str) -> None:
    sentence = refused(*words.split())
    assert said in sentence
    assert sentence.startswith(("Change ", "Write "))


def test_options_of_a_users_folder_and_what_they_are_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("defaults: [dwa, _self_]\nmore: 1\n")
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    assert refused("method.more=1") == "Change method.more: method=sum has no more; mine has."
    assert refused("method.window=1").endswith("method=sum has no window; dwa and mine have.")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("hydra/sweeper=race trainings=4", "hydra.sweeper.trainings?"),
        ("trainings=4", "hydra.sweeper.trainings of hydra/sweeper=race?"),
        ("sweeper.max_hours=4", "hydra.sweeper.max_hours?"),
        ("hydra/launcher=slurm partition=gpu", "hydra.launcher.partition?"),
        ("hydra/launcher=gpus +n_jobs=4", "hydra.launcher.n_jobs?"),
        ("hydra/sweeper=optuna n_trials=4", "hydra.sweeper.n_trials?"),
    ],
)
def test_an_option_of_the_sweeper_or_launcher_is_told(words: str, meant: str) -> None:
    key = words.split()[-1].partition("=")[0].lstrip("+")
    with pytest.raises(UserError) as raised:
        check_no_option_of_hydra(words.split())
    assert str(raised.value) == f"Change {key}: there is no such key; did you mean {meant}"


def test_the_very_word_of_what_is_chosen_is_meant_sooner_than_a_key_that_is_like_it() -> None:
    """A race refuses ``seed``, and has ``seeds``; without it ``seed`` is what is meant."""
    with pytest.raises(UserError, match=r"did you mean hydra\.sweeper\.seeds\?$"):
        check_no_option_of_hydra(["hydra/sweeper=race", "seeds=3"])
    check_no_option_of_hydra(["seeds=3"])


@pytest.mark.parametrize("word", ["batch_size=8", "gpus=2", "strategy=mtl", "xyzzy=1"])
def test_other_keys_are_left_to_others(word: str) -> None:
    check_no_option_of_hydra(["hydra/sweeper=race", "hydra/launcher=joblib", word])


def test_on_the_command_line(
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    for words, said in (
        (
            ("-m", "strategy=merge", "merging=average,ties", "merging.scale=1"),
            "has no scale; task_",
        ),
        (("hydra/sweeper=race", "trainings=4"), "did you mean hydra.sweeper.trainings?"),
    ):
        ran = command("suite=generated", "encoder=tiny", "support_task=mnli", *words)
        assert ran.returncode == 1
        assert said in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_an_option_that_sets_keys_of_other_groups_too_has_those_of_its_own() -> None:
    words = ("encoder=roberta_large", "encoder.max_len=3")
    assert "did you mean encoder.max_length?" in refused(*words)
