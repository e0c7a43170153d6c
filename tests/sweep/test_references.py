"""Which parts of a config another part refers to."""

import pytest

from tlbench.sweep.references import ANY, referred


@pytest.mark.parametrize(
    ("node", "roots"),
    [
        ({"lr": 1e-3, "text": "no $ {x}"}, set()),
        ({"target": "${target_task.name}"}, {"target_task"}),
        ({"a": [{"b": "${ batch_size }"}]}, {"batch_size"}),
        ("x/${seed}/${study}", {"seed", "study"}),
        ("${labels[0]}", {"labels"}),
        ("${.lr}", set()),
        ("${..seed}", {ANY}),
        ("${oc.env:HOME}", set()),
        ("${oc.env:HOME,${seed}}", {"seed"}),
        ("${tlbench.slug:${study}}", {"study"}),
        ("${oc.select:seed}", {ANY}),
        ("${hydra:runtime.choices.method}", {ANY}),
        ("${${seed}.x}", {ANY, "seed"}),
    ],
)
def test_the_roots_of_interpolations(node: object, roots: set[str]) -> None:
    assert referred(node) == roots
