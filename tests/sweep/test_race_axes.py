import pytest

from tlbench.errors import UserError
from tlbench.sweep.race_axes import check_no_seed, race_axes

TARGET, SUPPORTS = ["target_task=rte"], ["support_task=mnli", "support_task=qnli"]


def test_single_is_added_and_seeds_are_the_races() -> None:
    seeds, strategies, *others = race_axes([TARGET, SUPPORTS, ["seed=42", "seed=43"]], 3)
    assert seeds == ["seed=0", "seed=1", "seed=2"]
    assert strategies == ["strategy=single", "strategy=stilts", "strategy=mtl"]
    assert others == [TARGET, SUPPORTS]


def test_strategies_that_are_named_are_those_beside_single() -> None:
    for named in (["strategy=mtl"], ["strategy=mtl", "strategy=single"]):
        _, strategies, *_ = race_axes([TARGET, SUPPORTS, named], 2)
        assert strategies == ["strategy=single", "strategy=mtl"]


@pytest.mark.parametrize("key", ["optim.lr", "encoder", "experiment", "sampling"])
def test_what_makes_several_protocols_has_one_value(key: str) -> None:
    race_axes([TARGET, [f"{key}=1"]], 2)
    with pytest.raises(UserError, match=f"^Change {key}: a race compares candidates under one"):
        race_axes([TARGET, [f"{key}=1", f"{key}=2"]], 2)


@pytest.mark.parametrize(
    "key",
    ["method", "subsample_size.support", "strategy.tasks", "encoder/adapter", "encoder.adapter.r"],
)
def test_what_a_study_compares_may_have_several(key: str) -> None:
    *_, last = race_axes([TARGET, [f"{key}=1", f"{key}=2"]], 2)
    assert last == [f"{key}=1", f"{key}=2"]


@pytest.mark.parametrize("word", ["seed=1", "+seed=1,2", "++seed=3"])
def test_seeds_of_the_command_line_are_refused(word: str) -> None:
    with pytest.raises(UserError, match=r"^Leave out "):
        check_no_seed([*TARGET, word])
    check_no_seed(["subsample_size.seed=3"])
