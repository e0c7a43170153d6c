"""What is no override, and how a path with ``~`` becomes one."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tlbench.config.syntax import check_syntax, with_quoted_homes
from tlbench.errors import UserError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed", "=", "1"], "Write seed=1 without spaces around '='."),
        (["seed = 1"], "Write seed=1 without spaces around '='."),
        (["seed=", "1"], "Write seed=1 without spaces around '='."),
        (["debug=fast", "seed", "=1"], "Write seed=1 without spaces around '='."),
        (["seed:1"], "Write seed=1 with '=', not seed:1."),
        (["seed: 1"], "Write seed=1 with '=', not seed: 1."),
        (["seed"], "Write seed=<value>: 'seed' alone sets nothing."),
        (["rte"], "Write target_task=rte or support_task=rte: 'rte' alone chooses nothing."),
        (["my conf"], "Change 'my conf': an override is key=value, in quotes if it has spaces."),
        ([""], "Leave out the empty argument: an override is key=value."),
        (["experiment==smoke"], "Write experiment=smoke with one '=', not experiment==smoke."),
        (["seed=[1"], "Change seed=[1: Hydra can't read it; close what is "),
        (["store_dir=a=b"], "Change store_dir=a=b: Hydra can't read it; close what is "),
        (["store_dir=\u00fc"], "Change store_dir=\u00fc: Hydra can't read it; close what is "),
        (
            ["target_task=rte,"],
            "Change target_task=rte,: Hydra can't read it; close what is ",
        ),
        (["store_dir=a(b"], "Change store_dir=a(b: Hydra can't read it; close what is "),
    ],
)
def test_one_sentence_says_how_it_is_written(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        check_syntax(words)
    assert str(refused.value).startswith(said)


def test_the_quoted_form_that_is_advised_can_be_read() -> None:
    with pytest.raises(UserError, match=r": \"store_dir='a=it\\'s'\"\.$"):
        check_syntax(["store_dir=a=it's"])
    check_syntax([r"store_dir='a=it\'s'"])


@pytest.mark.parametrize(
    "word", ["seed=1", "~experiment", "~seed=1", "store_dir=", "tags=[a b]", "+x={a: 1}", "x='=a'"]
)
def test_what_hydra_can_read_passes(word: str) -> None:
    check_syntax([word])


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("store_dir=~/s", "store_dir='~/s'"),
        ("store_dir=~", "store_dir='~'"),
        ("store_dir=~/a b,~me/c", "store_dir='~/a b','~me/c'"),
        ("hydra.searchpath=[~/a, file://~/b]", "hydra.searchpath=['~/a', 'file://~/b']"),
        ("x={path: ~/a, seed: 1}", "x={path: '~/a', seed: 1}"),
        ("hydra.run.dir=~/r/${seed}", "hydra.run.dir='~/r/${seed}'"),
        ("store_dir='~/s'", "store_dir='~/s'"),
        ("store_dir=a/~", "store_dir=a/~"),
        ("~experiment", "~experiment"),
        ("seed=1", "seed=1"),
    ],
)
def test_homes_are_quoted_for_hydra(written: str, quoted: str) -> None:
    assert with_quoted_homes(written) == quoted
    if "a/~" not in quoted:
        OverridesParser.create().parse_overrides([quoted])
