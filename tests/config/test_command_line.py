"""Hydra's options in every form, and what is none of them."""

import pytest

from tlbench.config.command_line import parse
from tlbench.errors import UserError


@pytest.mark.parametrize(
    "words",
    [
        ["--config-dir", "x"],
        ["--config-dir=x"],
        ["--config-di", "x"],
        ["--config-di=x"],
        ["-cd", "x"],
        ["-cd=x"],
    ],
)
def test_an_option_in_any_form_and_place(words: list[str]) -> None:
    for given in ([*words, "seed=1", "a=b"], ["seed=1", *words, "a=b"], ["seed=1", "a=b", *words]):
        assert parse(given).words() == ["--config-dir=x", "seed=1", "a=b"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--multi", "-cn", "mine"], ["--multirun", "--config-name=mine"]),
        (["-m", "--config-dir", "a=b", "seed=1"], ["--multirun", "--config-dir=a=b", "seed=1"]),
        (["-c", "job", "--res"], ["--cfg=job", "--resolve"]),
        (["--info"], ["--info=all"]),
        (["--info", "searchpath"], ["--info=searchpath"]),
        (["-h"], ["--help"]),
        (["-sc", "install=bash"], ["--shell-completion", "install=bash"]),
        (["~experiment", "--"], ["~experiment"]),
        ([], []),
    ],
)
def test_other_options(words: list[str], meant: list[str]) -> None:
    assert sorted(parse(words).words()) == sorted(meant)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--experiment=smoke"], "Change --experiment=smoke: write experiment=smoke; "),
        (["--experiment", "smoke"], "Change --experiment: write experiment=smoke; "),
        (["--seed", "1"], "Change --seed: write seed=1; overrides have no dashes."),
        (["--seed=1"], "Change --seed=1: write seed=1; overrides have no dashes."),
        (["-seed=1"], "Change -seed=1: write seed=1; "),
        (["--target-task", "rte"], "Change --target-task: write target_task=rte; "),
        (["--learning_rate", "1e-4"], "Change --learning_rate: write optim.lr=1e-4; "),
        (["--seed", "a=1"], "Change --seed: write seed=<value>; "),
        (["--seed"], "Change --seed: write seed=<value>; "),
        (["--confg-dir", "x"], "Change --confg-dir: there is no such option; did you mean --con"),
        (["--xyzzy"], "Change --xyzzy: there is no such option (tlbench --hydra-help lists them)"),
        (["--config-dir"], "Change the options (tlbench --hydra-help lists them): argument --con"),
        (["--config=x"], "Change the options (tlbench --hydra-help lists them): ambiguous option"),
        (["--cfg", "jobs"], "Change the options (tlbench --hydra-help lists them): argument --cfg"),
        (["-m", "--cfg", "job"], "Leave out all but one of --multirun, --cfg."),
        (["--resolve"], "Add --cfg job: "),
        (["--experimental-rerun", "x"], "Leave out --experimental-rerun: tlbench-rerun trains"),
        (["--config-dir="], "Change --config-dir: give it a value."),
    ],
)
def test_what_is_no_option_is_one_sentence(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(words)
    assert str(refused.value).startswith(said)


def test_the_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("tlbench ")
