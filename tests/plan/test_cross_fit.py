"""Which stage of a plan is asked for cross-fitted scores, and what keeps these from being clean."""

import pytest

from tests.support.experiments import Compose
from tlbench.config.identity import job_folder_name, unresolved
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.cross_fit import dev_readers
from tlbench.plan.experiment import Experiment
from tlbench.plan.stage import Stage

STILTS = ("strategy=stilts", "support_task=mnli")
MTL = ("strategy=mtl", "support_task=mnli")
CROSS_FIT = "selection=cross_fit"


def plan(compose: Compose, *overrides: str) -> list[Stage]:
    return build(compose(*overrides)).plan()


@pytest.mark.parametrize("overrides", [(), STILTS, MTL])
def test_it_trains_what_selection_dev_trains(compose: Compose, overrides: tuple[str, ...]) -> None:
    by_dev, crossed, held_out = (
        plan(compose, *overrides, f"selection={name}") for name in ("dev", "cross_fit", "held_out")
    )
    assert [stage.fingerprint() for stage in crossed] == [stage.fingerprint() for stage in by_dev]
    assert [stage.key for stage in crossed] == [stage.key for stage in by_dev]
    assert not {stage.key for stage in held_out} & {stage.key for stage in by_dev}


def test_its_records_have_folders_of_their_own(compose: Compose) -> None:
    names = {
        job_folder_name(unresolved(compose(f"selection={name}")))
        for name in ("dev", "cross_fit", "held_out")
    }
    assert len(names) == 3


@pytest.mark.parametrize("overrides", [(), STILTS, MTL])
def test_only_the_last_stage_is_asked_for_its_scores(
    compose: Compose, overrides: tuple[str, ...]
) -> None:
    *before, last = plan(compose, *overrides, CROSS_FIT)
    assert last.wants_cross_fit
    assert not any(stage.wants_cross_fit for stage in before)
    by_dev = plan(compose, *overrides, "selection=dev")
    assert not any(stage.wants_cross_fit for stage in by_dev)


@pytest.mark.parametrize(
    ("overrides", "readers"),
    [
        (("trainer.early_stopping=3",), ["trainer.early_stopping of rte"]),
        ((*STILTS, "trainer.early_stopping=3"), ["trainer.early_stopping of rte<-mnli"]),
        ((*MTL, "sampling=dynamic"), ["sampling of mnli+rte"]),
        ((*MTL, "sampling=dynamic", "selection=held_out"), []),
    ],
)
def test_what_else_all_of_dev_decides_keeps_a_score_from_being_clean(
    compose: Compose, overrides: tuple[str, ...], readers: list[str]
) -> None:
    assert dev_readers(plan(compose, *overrides)[-1], "rte") == readers


@pytest.mark.parametrize("overrides", [(), STILTS])
def test_sampling_has_no_effect_on_a_last_stage_of_one_task(
    compose: Compose, overrides: tuple[str, ...]
) -> None:
    assert dev_readers(plan(compose, *overrides, CROSS_FIT, "sampling=dynamic")[-1], "rte") == []


def held_out_at_last(experiment: Experiment) -> Stage:
    """Ends with a stage that rows of train choose."""
    return experiment.stage([experiment.target], selection="held_out")


def test_a_last_stage_that_dev_does_not_choose_is_refused(compose: Compose) -> None:
    own = f"strategy.plan={__name__}.held_out_at_last"
    assert plan(compose, own, "selection=dev")
    with pytest.raises(UserError, match=r"^Change selection: the last stage, rte, chooses nothing"):
        plan(compose, own, CROSS_FIT)


def held_out_before(experiment: Experiment) -> Stage:
    """As ``mtl_then_target``, but rows of train choose what is started from."""
    tasks = [experiment.target, *experiment.supports]
    together = experiment.stage(tasks, selection="held_out", trainer={"early_stopping": 2})
    return experiment.stage([experiment.target], start=together)


def stopped_before(experiment: Experiment) -> Stage:
    """Goes on from the support's weights, of a training that the target's dev scores may end."""
    tasks = [experiment.target, *experiment.supports]
    together = experiment.stage(tasks, trainer={"early_stopping": 2})
    return experiment.stage(list(experiment.supports), start=together)


def then_target(experiment: Experiment) -> Stage:
    return experiment.stage([experiment.target], start=stopped_before(experiment))


GRAPHS = "tests.support.graphs"


@pytest.mark.parametrize(
    ("function", "readers"),
    [
        ("tlbench.plan.strategies.stilts", []),
        ("tlbench.plan.strategies.mtl", []),
        ("tlbench.plan.strategies.mtl_then_target", ["weights of mnli+rte:rte"]),
        (f"{GRAPHS}.chain", ["weights of rte"]),
        (f"{__name__}.held_out_before", []),
        (f"{__name__}.then_target", ["trainer.early_stopping of mnli+rte"]),
    ],
)
@pytest.mark.parametrize("selection", ["dev", "cross_fit"])
def test_what_a_last_stage_goes_on_from_may_have_read_dev(
    compose: Compose, function: str, readers: list[str], selection: str
) -> None:
    last = plan(compose, *MTL, f"strategy.plan={function}", f"selection={selection}")[-1]
    assert dev_readers(last, "rte") == readers


@pytest.mark.parametrize(
    "graph",
    [
        ("strategy=lp_ft",),
        ("strategy=mtl_then_target", "support_task=mnli"),
        ("strategy=merge", "support_task=mnli", "merging.fine_tune=true"),
    ],
)
def test_of_one_evaluation_dev_chooses_nothing(compose: Compose, graph: tuple[str, ...]) -> None:
    graph = (*graph, "trainer.max_epochs=2")
    assert dev_readers(plan(compose, *graph, "eval_every=1")[-1], "rte")
    once = plan(compose, *graph, "eval_every=2", "trainer.early_stopping=2")
    assert dev_readers(once[-1], "rte") == []


def test_what_is_refused_under_cross_fitting_is_no_clean_score_under_dev(compose: Compose) -> None:
    last = plan(compose, *MTL, "sampling=dynamic", "trainer.early_stopping=2")[-1]
    readers = ["trainer.early_stopping of mnli+rte", "sampling of mnli+rte"]
    assert dev_readers(last, "rte") == readers
