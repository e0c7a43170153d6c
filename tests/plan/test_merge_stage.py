"""The stage that is a merge: its key, what it needs and keeps, and what is refused."""

import subprocess
import sys
from dataclasses import replace

import pytest

from tests.support.experiments import Compose
from tlbench.config.search_path import CONF_DIR
from tlbench.errors import UserError
from tlbench.plan import weights
from tlbench.plan.build import build
from tlbench.plan.cross_fit import dev_readers
from tlbench.plan.estimate import work_of
from tlbench.plan.experiment import Experiment
from tlbench.plan.merge_stage import MergeStage
from tlbench.plan.schedule import trained_rows
from tlbench.plan.stage import Need, Stage

MERGE = ("strategy=merge", "support_task=mnli", "target_task=rte")
MANY = ("strategy=merge", "strategy.supports=many", "target_task=rte")


def merge_of(compose: Compose, *overrides: str) -> MergeStage:
    """The merge of a plan."""
    (merged,) = (one for one in build(compose(*overrides)).plan() if isinstance(one, MergeStage))
    return merged


def test_it_is_of_the_very_stages_that_are_trained_alone(compose: Compose) -> None:
    *singles, merged = build(compose(*MERGE)).plan()
    alone = [build(compose(f"target_task={task}")).plan()[-1].key for task in ("rte", "mnli")]
    assert [stage.key for stage in singles] == alone
    assert merged.needs == tuple(Need(stage, stage.tasks[0]) for stage in singles)
    assert (merged.title, merged.tasks) == ("average(rte+mnli)", ("rte",))


def test_several_are_merged_once_whatever_their_order(compose: Compose) -> None:
    one, other = (
        merge_of(compose, *MANY, f"strategy.tasks={tasks}")
        for tasks in ("[mnli,cola]", "[cola,mnli]")
    )
    assert one.title == "average(rte+cola+mnli)"
    assert one.key == other.key


def test_it_is_another_merge_for_each_target(compose: Compose) -> None:
    other = ("strategy=merge", "support_task=rte", "target_task=mnli")
    assert merge_of(compose, *MERGE).key != merge_of(compose, *other).key


def test_with_fine_tuning_the_target_is_trained_from_it(compose: Compose) -> None:
    plain = merge_of(compose, *MERGE)
    *_, merged, last = build(compose(*MERGE, "merging.fine_tune=true")).plan()
    assert merged.key == plain.key
    assert last.start == Need(merged, "rte")
    assert last.title == "rte<-average(rte+mnli)"


@pytest.mark.parametrize(
    ("override", "is_other"),
    [
        ("merging=ties", True),
        ("+merging.more=1", False),  # refused, below
        ("merging.name=mine", False),
        ("merging.label=mine", False),
        ("method=mean", False),
        ("sampling=uniform", False),
        ("heads=per_label_count", False),
        ("selection=dev", False),
        ("selection=held_out", True),
        ("optim.lr=1e-3", True),  # of the stages that are merged
        ("seed=1", True),
        ("subsample_size.dev=32", True),
    ],
)
def test_what_is_in_its_key(compose: Compose, override: str, is_other: bool) -> None:
    if "more" in override:
        with pytest.raises(UserError, match=r"Change merging: .*can't be made \(TypeError"):
            build(compose(*MERGE, override)).plan()
        return
    merged, other = merge_of(compose, *MERGE), merge_of(compose, *MERGE, override)
    assert (merged.key != other.key) == is_other


def test_no_setting_of_training_is_in_its_own_fingerprint(compose: Compose) -> None:
    ties = merge_of(compose, *MERGE, "merging=ties")
    assert set(ties.fingerprint()) == {"training", "merge", "merging", "models", "tasks"}
    assert ties.fingerprint()["merging"] == {
        "_target_": "tlbench.merging.ties.Ties",
        "density": 0.2,
        "scale": 1.0,
    }


def test_it_trains_no_rows_and_takes_no_time(compose: Compose) -> None:
    merged = merge_of(compose, *MERGE)
    assert trained_rows(merged) == 0
    assert work_of(merged).amount == 0


@pytest.mark.parametrize("keep", ["needed", "none", "all"])
def test_what_it_needs_is_kept(compose: Compose, keep: str) -> None:
    *singles, merged = plan = build(compose(*MERGE, f"keep_weights={keep}")).plan()
    kept = weights.kept(plan, merged)
    assert [kept[stage.key] for stage in singles] == [{"rte"}, {"mnli"}]
    assert kept[merged.key] == ({"rte"} if keep == "all" else set())


def test_a_cross_fitted_score_of_it_is_not_clean_where_dev_chose_what_is_merged(
    compose: Compose,
) -> None:
    assert dev_readers(merge_of(compose, *MERGE), "rte") == ["weights of rte"]
    held_out = merge_of(compose, *MERGE, "selection=held_out")
    assert dev_readers(held_out, "rte") == []


def without_target(experiment: Experiment) -> Stage:
    """A merge whose head would be of another task."""
    return experiment.merge([experiment.stage([one]) for one in experiment.supports] * 2)


def of_one(experiment: Experiment) -> Stage:
    """A merge of one stage."""
    return experiment.merge([experiment.stage([experiment.target])])


def of_two_tasks(experiment: Experiment) -> Stage:
    """A merge that does not say which weights are taken."""
    both = experiment.stage([experiment.target, *experiment.supports])
    alone = experiment.stage([experiment.target])
    return experiment.merge([alone, Need(both, "mnli")])


def of_other_layers(experiment: Experiment) -> Stage:
    """A merge of encoders of different depth."""
    target, (support,) = experiment.target, experiment.supports
    deeper = replace(experiment.config.encoder, num_hidden_layers=1)
    other = replace(experiment, config=replace(experiment.config, encoder=deeper))
    return experiment.merge([experiment.stage([target]), other.stage([support])])


def of_other_seeds(experiment: Experiment) -> Stage:
    """A merge of encoders with other random weights."""
    target, (support,) = experiment.target, experiment.supports
    return experiment.merge([experiment.stage([target]), experiment.stage([support], seed=7)])


def trained_on_all(experiment: Experiment) -> Stage:
    """A merge of a stage that has trained on the held-out rows too."""
    target, (support,) = experiment.target, experiment.supports
    alone = experiment.stage([target], selection="dev")
    return experiment.merge([alone, experiment.stage([support])])


ARITHMETIC = ("merging=task_arithmetic", "merging.scale=held_out")


@pytest.mark.parametrize(
    ("plan", "overrides", "said"),
    [
        ("without_target", [], "Change strategy.plan: the first .* is mnli, not one of .* rte"),
        ("of_one", [], "Change strategy.plan: a merge is of two stages or more"),
        ("of_other_layers", [], "mnli has another encoder.num_hidden_layers"),
        ("of_other_seeds", [], "began with the same weights, and mnli has another seed"),
        ("trained_on_all", [*ARITHMETIC, "selection=held_out"], "Change selection to held_out"),
        ("", ARITHMETIC, "Change selection to held_out, or merging.scale to a number"),
        ("", [*ARITHMETIC, "selection=dev"], "Change selection to held_out, or merging.scale"),
        (
            "",
            ["merging=ties", "merging.density=held_out", "merging.scale=2000"],
            "Change merging.scale: 2000 is not a number from 0 to 10",
        ),
        ("", ["+merging.rows=held_out"], "merging.rows: held-out rows choose nothing of this rule"),
        ("", ["merging._target_=torch.nn.Linear"], "is not a tlbench.plan.merge_rule.MergeRule"),
        ("", ["~merging"], "Add merging=average, or another rule"),
    ],
)
def test_what_cannot_be_merged_is_one_sentence(
    compose: Compose, plan: str, overrides: list[str], said: str
) -> None:
    own = [f"strategy.plan={__name__}.{plan}"] if plan else []
    with pytest.raises(UserError, match=said) as raised:
        build(compose(*MERGE, *own, *overrides)).plan()
    assert "\n" not in str(raised.value)


def test_weights_of_a_task_that_a_stage_shares(compose: Compose) -> None:
    plan = f"strategy.plan={__name__}.of_two_tasks"
    assert merge_of(compose, *MERGE, plan).title == "average(rte+mnli+rte:mnli)"


def test_rules_are_made_without_torch() -> None:
    """Planning makes them: that of a sweep of thousands imports no torch."""
    names = [file.stem for file in (CONF_DIR / "merging").glob("*.yaml")]
    modules = [f"tlbench.merging.{name}" for name in names]
    code = f"import sys\nfor name in {modules}: __import__(name)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
