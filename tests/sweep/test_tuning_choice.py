"""Which trial is chosen, and what is said of all of them."""

import pytest

from tlbench.errors import UserError
from tlbench.sweep.tuning_choice import Trial, choices_table, choose


def trials(*scores: float | None) -> list[Trial]:
    return [Trial({"optim.lr": i}, score, f"stage{i}") for i, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ((0.5, 0.7, 0.6), 1),
        ((0.5, 0.7, 0.7), 1),  # the first in the order of the grid
        ((None, 0.2, None), 1),  # those that have diverged have no score
        ((-0.1, -0.2), 0),  # a correlation
        ((0.0, None), 0),
    ],
)
def test_the_best_on_held_out_rows_is_chosen(scores: tuple[float | None], chosen: int) -> None:
    assert choose("mtl rte<-mnli", trials(*scores)).best.values == {"optim.lr": chosen}


def test_without_any_score_there_is_no_choice() -> None:
    with pytest.raises(UserError, match=r"^Change .*none of the 2 trials of mtl rte<-mnli has a"):
        choose("mtl rte<-mnli", trials(None, None))


def test_records_have_all_trials_and_which_is_chosen() -> None:
    assert choose("single rte", trials(None, 0.7)).entries == [
        {
            "of": "single rte",
            "values": {"optim.lr": i},
            "held_out_score": score,
            "stage": f"stage{i}",
            "chosen": bool(i),
        }
        for i, score in enumerate((None, 0.7))
    ]


def test_a_table_shows_what_is_chosen_and_every_score() -> None:
    table = choices_table([choose("single rte", trials(0.5, None, 0.712))], ["optim.lr"])
    assert [list(column.cells) for column in table.columns] == [
        ["single rte"],
        ["2"],
        ["71.2"],
        ["50.0 - 71.2"],
    ]
