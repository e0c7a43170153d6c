"""Adapters in a plan: which stages have one, and what is refused before anything is trained."""

from collections.abc import Callable

import pytest

from tests.support.experiments import Compose
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.stage import Stage

LORA = "encoder/adapter=lora"
STILTS = ("strategy=stilts", "support_task=mnli")
MERGE = ("strategy=merge", "support_task=mnli")


@pytest.fixture
def plan(compose: Compose) -> Callable[..., list[Stage]]:
    return lambda *overrides: build(compose(*overrides)).plan()


def keys(stages: list[Stage]) -> list[str]:
    return [stage.key for stage in stages]


def test_none_changes_no_key_whatever_its_options(
    plan: Callable[..., list[Stage]], compose: Compose
) -> None:
    without = compose(*STILTS)
    del without.encoder.adapter, without.trainable_layers
    expected = keys(plan(*STILTS))
    assert keys(build(without).plan()) == expected
    assert keys(plan(*STILTS, "encoder.adapter.r=4", "trainable_layers=2")) == expected


@pytest.mark.parametrize("words", [STILTS, MERGE, ("strategy=mtl", "support_task=mnli")])
def test_every_stage_has_the_adapter(
    plan: Callable[..., list[Stage]], words: tuple[str, ...]
) -> None:
    plain, adapted = plan(*words), plan(*words, LORA)
    assert not {*keys(plain)} & {*keys(adapted)}
    assert all(stage.config.encoder.adapter.name == "lora" for stage in adapted)
    ranks = [keys(plan(*words, LORA, f"encoder.adapter.r={r}")) for r in (4, 8)]
    assert ranks[1] == keys(adapted) != ranks[0]


def test_heads_that_are_trained_first_are_so_without_one(
    plan: Callable[..., list[Stage]],
) -> None:
    plain, adapted = plan("strategy=lp_ft"), plan("strategy=lp_ft", LORA)
    assert adapted[0].key == plain[0].key
    assert adapted[1].key != plain[1].key
    assert [stage.config.encoder.adapter.name for stage in adapted] == ["none", "lora"]


def test_biases_after_heads(plan: Callable[..., list[Stage]]) -> None:
    stages = plan("strategy=lp_ft", "trainable=bias")
    assert [stage.title for stage in stages] == ["heads(rte)", "bias(rte)<-heads(rte)"]


@pytest.mark.parametrize("trainable", ["heads", "bias", "top"])
def test_an_adapter_says_itself_what_is_trained(
    plan: Callable[..., list[Stage]], trainable: str
) -> None:
    with pytest.raises(UserError, match=r"^Change trainable to all, or encoder/adapter to none: l"):
        plan(LORA, f"trainable={trainable}")


def test_what_it_needs_is_named(
    plan: Callable[..., list[Stage]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlbench.plan.build.find_spec", lambda name: None)
    plan("encoder/adapter=none")
    with pytest.raises(UserError) as refused:
        plan("encoder/adapter=dora")
    assert str(refused.value) == (
        "Change encoder/adapter, or install what dora needs: pip install 'tlbench[adapters]'."
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("encoder.adapter.r=0", "0 is not a number more than 0"),
        ("encoder.adapter.dropout=1.0", "1.0 is not less than 1"),
        ("encoder.adapter.target_modules=query", "'query' is not one of all-linear, a list"),
    ],
)
def test_values_out_of_bounds_are_refused(
    plan: Callable[..., list[Stage]], override: str, message: str
) -> None:
    with pytest.raises(UserError, match=f"^Change {override.partition('=')[0]}: {message}"):
        plan(LORA, override)
