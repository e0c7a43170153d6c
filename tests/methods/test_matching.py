import re
from typing import Any

import pytest

from tests.support.related import MNLI, RTE, STSB, TO_RTE, TOPICS
from tlbench.config.schema import Match, Task
from tlbench.errors import UserError
from tlbench.methods.matching import Relation, check_matching, relations_of


def match(name: Any, relations: Any, **more: Any) -> Match:
    return Match(name=name, relations=relations, **more)


def test_relations_are_those_between_the_tasks_of_a_stage() -> None:
    relations = {
        "mnli": {"rte": TO_RTE, "qnli": TO_RTE},
        "rte": {"mnli": [[1, 0, 0], [0, 0.5, 0.5]]},
    }
    assert relations_of(match("distribution", relations), [RTE, MNLI]) == (
        Relation(1, 0, ((1.0, 0.0), (0.0, 1.0), (0.0, 1.0))),
        Relation(0, 1, ((1.0, 0.0, 0.0), (0.0, 0.5, 0.5))),
    )
    assert relations_of(match("none", relations), [RTE, MNLI]) == ()
    one_way = relations | {"rte": {"mnli": None}}
    assert len(relations_of(match("distribution", one_way), [RTE, MNLI])) == 1


@pytest.mark.parametrize(
    ("task", "other", "given_", "message"),
    [
        (STSB, RTE, [[1, 0]], "Leave out match.relations.stsb.rte: 'stsb' has no classes"),
        (MNLI, RTE, [[1, 0], [0, 1]], "mnli.rte: give an entry for each of the labels of 'mnli'"),
        (MNLI, RTE, "x", "mnli.rte: give an entry for each of the labels of 'mnli'"),
        (MNLI, RTE, [1, 0, 0], "give for 'entailment' a probability of each of the labels of"),
        (MNLI, RTE, [[1, 0], [0], [0, 1]], "give for 'neutral' a probability of each of"),
        (MNLI, RTE, [[1, 0], [1, 1], [0, 1]], "give for 'neutral' probabilities that add up to 1"),
        (MNLI, RTE, [[1, 0], [2, -1], [0, 1]], "give for 'neutral' probabilities that add up to 1"),
        (MNLI, RTE, [[1, 0], ["a", 1], [0, 1]], "'a' is no number"),
        (MNLI, TOPICS, [[1, 0], [2, 0], [0, 1]], "give for 'neutral' probabilities from 0 to 1"),
        (MNLI, STSB, [[1], [2], [3]], "mnli.stsb: give a number for each of the labels of 'mnli'"),
    ],
)
def test_what_is_no_relation_is_refused(task: Task, other: Task, given_: Any, message: str) -> None:
    one = match("distribution", {task.name: {other.name: given_}})
    with pytest.raises(UserError, match=re.escape(message)):
        check_matching(one, [task, other])


def test_tasks_without_a_relation_are_refused() -> None:
    message = "Change match to none, or match.relations: there is none between stsb and rte."
    with pytest.raises(UserError, match=re.escape(message)):
        check_matching(match("distribution", {"mnli": {"rte": TO_RTE}}), [STSB, RTE])
    check_matching(match("none", {}), [STSB, RTE])
