import pytest

from tests.support.planted import SEEDS, grid, none, record
from tests.support.tables import Table
from tlbench.analysis.names import THE_PAPERS, Labels, labels_of, sides_of
from tlbench.errors import UserError
from tlbench.records.record import ResultRecord

TASKS = {"rte": 100, "mnli": 400}


def test_strategies_are_called_as_their_records_say(table: Table) -> None:
    labels = labels_of(table(grid(TASKS, none, seeds=[0])))
    assert labels.strategies == {
        "single": "single",
        "stilts": "STILTs",
        "mtl": "MTL",
        "mtl_all": "MTL-ALL",
    }
    assert labels.candidate("stilts", "-") == "STILTs"


def test_a_job_that_failed_before_it_had_a_config_changes_no_label(table: Table) -> None:
    failed = record("mtl", "rte", "mnli", TASKS, 9, 0.0, status="failed", config={})
    labels = labels_of(table([*grid(TASKS, none, seeds=[0]), failed]))
    assert labels.strategies["mtl"] == "MTL"


def test_two_strategies_of_one_label_have_their_names_behind(table: Table) -> None:
    records = grid(TASKS, none, seeds=[0])
    for one in records:
        if one.strategy == "stilts":
            one.config["strategy"]["label"] = "MTL"
    labels = labels_of(table(records)).strategies
    assert (labels["mtl"], labels["stilts"]) == ("MTL (mtl)", "MTL (stilts)")


def with_methods(*methods: str) -> list[ResultRecord]:
    return [one for method in methods for one in grid(TASKS, none, seeds=[0], method=method)]


def test_a_method_is_shown_where_several_matter(table: Table) -> None:
    several = labels_of(table(with_methods("sum", "mean")))
    assert several.candidate("mtl", "mean") == "MTL (mean)"
    assert several.candidate("stilts", "-") == "STILTs"


def test_one_method_is_not_shown(table: Table) -> None:
    assert labels_of(table(with_methods("sum"))).candidate("mtl", "sum") == "MTL"


def test_a_method_that_no_strategy_cares_for_is_not_shown(table: Table) -> None:
    records = with_methods("sum", "mean")
    indifferent = [one for one in records if one.strategy in ("single", "stilts")]
    assert not labels_of(table(indifferent)).has_methods


@pytest.mark.parametrize(
    "compare",
    [
        ["mtl", "mine"],
        ["MTL", "STILTs"],
        ["mtl", "mtl"],
        ["mtl", "single"],
        ["mtl"],
        ["mtl", "stilts", "mtl_all"],
        [""],
    ],
)
def test_what_is_not_two_strategies_is_one_sentence(compare: list[str], table: Table) -> None:
    labels = labels_of(table(grid(TASKS, none, seeds=[0])))
    with pytest.raises(UserError) as error:
        sides_of(labels, compare)
    assert str(error.value) == (
        f"Change --compare: '{','.join(compare)}' is not two of the strategies that the records "
        f"have beside single: mtl, mtl_all, stilts."
    )


def test_the_papers_two_may_be_absent(table: Table) -> None:
    alone = [record("single", "rte", None, TASKS, seed, 0.5) for seed in SEEDS]
    assert sides_of(labels_of(table(alone))) == THE_PAPERS


def test_sides_are_in_the_order_in_which_they_are_named(table: Table) -> None:
    sides = sides_of(labels_of(table(grid(TASKS, none, seeds=[0]))), ["mtl_all", "mtl"])
    assert (sides.names, sides.first_label, sides.second_label) == (
        ("mtl_all", "mtl"),
        "MTL-ALL",
        "MTL",
    )


def test_methods_of_two_sides_are_read_as_two() -> None:
    labels = Labels({}, {"regmean": "RegMean", "sum": "sum"})
    assert labels.method("regmean vs sum") == "RegMean vs sum"
    assert labels.method("regmean") == "RegMean"
