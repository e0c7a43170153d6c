"""Supports that a sweep leaves out, and a single run refuses, for what their rows are."""

import pytest

from tests.support.experiments import Compose
from tlbench.config.validation import parse_config
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.impossible import impossible

NO_LABELS = "a support without labels for a strategy that needs them"
LABELS = "a support with labels for a strategy that makes them"
ALONE = "a support that learns of no label, in a stage of its own"
NO_RELATION = "a match of tasks without a relation"


@pytest.mark.parametrize(
    ("strategy", "support", "kind"),
    [
        ("mtl", "mnli", None),
        ("self_training", "unlabelled", None),
        ("mtl", "consistency", None),
        ("stilts", "mlm", None),
        ("mtl", "unlabelled", NO_LABELS),
        ("stilts", "unlabelled", NO_LABELS),
        ("self_training", "mnli", LABELS),
        ("self_training", "consistency", LABELS),
        ("stilts", "consistency", ALONE),
        ("merge", "consistency", ALONE),
        ("mtl match=distribution", "mnli", None),
        ("mtl match=distribution", "mlm", NO_RELATION),
        ("mtl match=distribution", "sst2", NO_RELATION),
        ("stilts match=distribution", "sst2", None),  # of which a match changes nothing
    ],
)
def test_what_makes_no_sense_has_a_reason_and_a_sentence(
    compose: Compose, strategy: str, support: str, kind: str | None
) -> None:
    chosen = (*f"strategy={strategy}".split(), "target_task=rte", f"support_task={support}")
    cfg = compose(*chosen)
    why = impossible(parse_config(cfg))
    assert (why and why.kind) == kind
    if why is not None:
        assert why.sentence.startswith("Change ")
        with pytest.raises(UserError, match=r"^Change ") as refused:
            build(cfg)
        assert str(refused.value) == why.sentence


def test_what_is_wrong_with_a_relation_is_said_of_the_experiment(compose: Compose) -> None:
    wrong = ("match=distribution", "+match.relations.rte.sst2=[[1,0]]")
    cfg = compose("strategy=mtl", "target_task=rte", "support_task=sst2", *wrong)
    assert impossible(parse_config(cfg)) is None
    with pytest.raises(UserError, match=r"^Change match\.relations\.rte\.sst2: give an entry"):
        build(cfg).plan()
