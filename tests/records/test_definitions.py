"""What a candidate is: its strategy, its supports, and the parts that have an effect on it."""

from typing import Any

import pytest

from tests.support.planted import config, record
from tlbench.analysis.collect import table_of
from tlbench.analysis.comparisons import gains
from tlbench.records.definitions import (
    choice_keys,
    label_of,
    method_label_of,
    method_of,
    strategy_of,
    tuned_keys,
    tuned_values,
    tuning_keys,
)
from tlbench.records.record import ResultRecord
from tlbench.records.settings import Flattened, setting_of, varying

ROWS = {"rte": 100, "mnli": 400}
REGMEAN = {"name": "regmean", "label": "RegMean", "_target_": "rules.RegMean", "rows": 128}


def merged(seed: int = 0, **merging: Any) -> ResultRecord:
    """A record of a merge, which ignores the method."""
    of_merge = config("merge", "rte", merging=REGMEAN | {"fine_tune": False} | merging)
    of_merge["strategy"]["without_effect"] = ["method"]
    return record("merge", "rte", "mnli", ROWS, seed, 0.5, config=of_merge)


def with_both() -> ResultRecord:
    """A record of a strategy that both a method and a merging have an effect on."""
    both = config("mine", "rte", merging=REGMEAN)
    return record("mine", "rte", "mnli", ROWS, 0, 0.5, config=both)


@pytest.mark.parametrize(
    ("one", "name", "label"),
    [
        (merged(), "regmean", "RegMean"),
        (merged(fine_tune=True), "regmean+fine_tune", "RegMean, fine-tuned"),
        (with_both(), "sum+regmean", "sum, RegMean"),
        (record("mtl", "rte", "mnli", ROWS, 0, 0.5), "sum", "sum"),
        (record("stilts", "rte", "mnli", ROWS, 0, 0.5), "-", "-"),
        (record("single", "rte", "mnli", ROWS, 0, 0.5), "-", "-"),
    ],
)
def test_the_parts_that_have_an_effect_are_named(one: ResultRecord, name: str, label: str) -> None:
    assert (method_of(one), method_label_of(one)) == (name, label)


def test_an_option_of_a_part_is_under_its_name() -> None:
    keys = choice_keys(merged(fine_tune=True))
    assert keys == {
        "mergings.regmean+fine_tune._target_": "rules.RegMean",
        "mergings.regmean+fine_tune.rows": "128",
    }


def flat(strategy: str, support: str = "mnli", **perturb: Any) -> ResultRecord:
    """A record of what is trained towards flat minima, if ``perturb`` says so."""
    options = {"name": "sam", "rho": 0.05, "per_task": False} | perturb
    of_flat = config(strategy, "rte", perturb=options)
    if strategy != "mtl":
        ignored = of_flat["strategy"].get("without_effect", ())
        of_flat["strategy"]["without_effect"] = [*ignored, "perturb.per_task"]
    return record(strategy, "rte", support, ROWS, 0, 0.5, config=of_flat)


@pytest.mark.parametrize(
    ("one", "name", "label"),
    [
        (flat("mtl", name="none"), "mtl", "MTL"),
        (flat("mtl"), "mtl+sam", "MTL, SAM"),
        (flat("mtl", per_task=True), "mtl+sam+per_task", "MTL, SAM, per task"),
        (flat("stilts", per_task=True), "stilts+sam", "STILTs, SAM"),
        (flat("single", "-"), "single+sam", "single, SAM"),
        (record("mtl", "rte", "mnli", ROWS, 0, 0.5), "mtl", "MTL"),
    ],
)
def test_towards_flat_minima_a_strategy_is_another(
    one: ResultRecord, name: str, label: str
) -> None:
    assert (strategy_of(one), label_of(one)) == (name, label)
    assert setting_of(one, [], Flattened()).strategy == name


def test_another_perturbation_is_another_choice_and_another_rho_another_protocol() -> None:
    assert varying([flat("mtl"), flat("mtl", name="none"), flat("mtl", per_task=True)]) == []
    assert varying([flat("mtl"), flat("mtl", rho=0.1)]) == ["perturbs.sam.rho"]


@pytest.mark.parametrize(
    ("kind", "rho"), [({"name": "sam"}, 0.05), ({"name": "sam", "rho": 0.1}, 0.1)]
)
def test_an_option_that_a_record_leaves_out_is_at_its_default(
    kind: dict[str, Any], rho: float
) -> None:
    """As records have what was set alone: else two values would differ in nothing."""
    one = record("mtl", "rte", "mnli", ROWS, 0, 0.5, config=config("mtl", "rte", perturb=kind))
    assert choice_keys(one)["perturbs.sam.rho"] == str(rho)


def adapted(strategy: str, support: str = "mnli", **adapter: Any) -> ResultRecord:
    """A record of what is trained with an adapter, as it is written: without what is not set."""
    encoder = {"name": "planted", "max_length": 128, "adapter": {"name": "lora"} | adapter}
    changes = config(strategy, "rte", encoder=encoder)
    return record(strategy, "rte", support, ROWS, 0, 0.5, config=changes)


@pytest.mark.parametrize(
    ("one", "name", "label"),
    [
        (adapted("stilts"), "stilts+lora", "STILTs, LoRA"),
        (adapted("single", "-", name="dora", r=4), "single+dora", "single, DoRA"),
        (adapted("mtl", name="none"), "mtl", "MTL"),
    ],
)
def test_with_an_adapter_a_strategy_is_another(one: ResultRecord, name: str, label: str) -> None:
    assert (strategy_of(one), label_of(one)) == (name, label)
    assert setting_of(one, [], Flattened()).strategy == name


def test_an_adapter_towards_flat_minima_is_named_by_both() -> None:
    both = adapted("mtl")
    both.config["perturb"] = {"name": "sam"}
    assert (strategy_of(both), label_of(both)) == ("mtl+lora+sam", "MTL, LoRA, SAM")


def test_another_adapter_is_another_choice_and_another_rank_another_protocol() -> None:
    plain = record("mtl", "rte", "mnli", ROWS, 0, 0.5)
    alike = [plain, adapted("mtl"), adapted("mtl", name="dora"), adapted("single", "-")]
    assert varying(alike) == []
    ranks = [*alike, adapted("mtl", r=4)]
    assert varying(ranks) == ["adapters.lora.r"]
    values = [setting_of(one, varying(ranks), Flattened()).values for one in ranks]
    assert values == [("-",), ("8",), ("-",), ("8",), ("4",)]
    modules = [adapted("mtl"), adapted("mtl", target_modules="all-linear")]
    assert varying(modules) == ["adapters.lora.target_modules"]
    table = table_of(modules)
    assert table.protocol.nunique() == 2


def test_single_with_an_adapter_is_not_what_others_are_measured_against() -> None:
    plain = record("single", "rte", "-", ROWS, 0, 0.5)
    gained = gains(table_of([plain, adapted("single", "-"), adapted("mtl")]))
    assert gained.strategy.tolist() == ["single+lora", "mtl+lora"]
    assert gained["second"].tolist() == [0.5, 0.5]


def test_single_towards_flat_minima_is_not_what_others_are_measured_against() -> None:
    plain = record("single", "rte", "-", ROWS, 0, 0.5)
    gained = gains(table_of([plain, flat("single", "-"), flat("mtl")]))
    assert gained.strategy.tolist() == ["single+sam", "mtl+sam"]
    assert gained["second"].tolist() == [0.5, 0.5]


def test_another_rule_is_another_choice_and_other_options_are_another_protocol() -> None:
    rules = [merged(), merged(fine_tune=True), merged(name="average", rows=None)]
    assert varying(rules) == []
    assert len({setting_of(one, [], Flattened()) for one in rules}) == 3
    assert varying([merged(), merged(rows=64)]) == ["mergings.regmean.rows"]


TUNED = {"grid": {"optim.lr": [1e-5, 1e-4], "trainer.max_epochs": [2, 4]}, "trials": 3}


def tuned(strategy: str = "single", lr: float = 1e-4, **more: Any) -> ResultRecord:
    optim, supports = {"lr": lr}, more.pop("supports", {})
    about = {**TUNED, "supports": supports, **more}
    made = config(strategy, "rte", optim=optim, tuned=about)
    return record(strategy, "rte", "mnli", ROWS, 0, 0.5, config=made)


def test_tuned_keys_are_choices_and_what_was_tried_is_said() -> None:
    one = tuned(supports={"mnli": {"optim.lr": 1e-5}})
    assert tuned_keys(one) == ("optim.lr", "trainer.max_epochs")
    words = "optim.lr=0.0001 trainer.max_epochs=3, mnli: optim.lr=1e-05"
    assert tuned_values(one) == words
    searched = "optim.lr=1e-05,0.0001 trainer.max_epochs=2,4 trials=3 seed=0"
    assert tuning_keys(one) == {"tuning": searched}
    assert tuning_keys(tuned(lr=1e-5)) == tuning_keys(one), "another choice of the same search"


def test_nothing_tuned_has_a_word_of_its_own_and_values_by_hand_are_named() -> None:
    plain = record("stilts", "rte", "mnli", ROWS, 0, 0.5)
    assert (tuned_keys(plain), tuned_values(plain)) == ((), "")
    assert tuning_keys(plain) == {"tuning": "none"}
    by_hand = tuned("stilts", grid={}, supports={"mnli": {"optim.lr": 1}})
    assert tuning_keys(by_hand) == {"tuning": "mnli: optim.lr=1"}
    assert tuning_keys(record("stilts", "rte", "mnli", ROWS, 0, 0.5, config={})) == {}


def test_candidates_tuned_alike_are_one_table_and_others_have_a_column() -> None:
    alike = [tuned(), tuned("stilts", lr=1e-5, supports={"mnli": {"optim.lr": 1e-5}})]
    assert varying(alike) == []
    assert varying([*alike, tuned(trials=4)]) == ["tuning"]
    untuned = record("single", "rte", None, ROWS, 0, 0.5)
    assert varying([*alike, untuned]) == ["tuning"]
    settings = [setting_of(one, ["tuning"], Flattened()) for one in (tuned(), untuned)]
    assert settings[1].values == ("none",) != settings[0].values
    # What was not tuned is a protocol as ever.
    other = tuned()
    other.config["heads"] = "per_label_count"
    assert varying([*alike, other]) == ["heads"]
