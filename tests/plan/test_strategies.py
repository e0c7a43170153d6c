from collections.abc import Callable
from itertools import product

import pytest

from tests.support.experiments import Compose
from tlbench.config.identity import job_folder_name, unresolved
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.stage import Need, Stage

Plan = Callable[..., list[Stage]]


@pytest.fixture
def plan(compose: Compose) -> Plan:
    return lambda *overrides: build(compose(*overrides)).plan()


def keys(stages: list[Stage]) -> list[str]:
    return [stage.key for stage in stages]


def test_stilts_starts_from_the_support_tasks_single(plan: Plan) -> None:
    support, target = plan("strategy=stilts", "support_task=mnli")
    assert [support.key] == keys(plan("target_task=mnli"))
    assert (support.title, target.title) == ("mnli", "rte<-mnli")
    assert target.start == Need(support, "mnli")


def test_a_pair_is_one_stage_for_both_directions(plan: Plan) -> None:
    one = plan("strategy=mtl", "target_task=rte", "support_task=mnli")
    assert keys(one) == keys(plan("strategy=mtl", "target_task=mnli", "support_task=rte"))
    assert [stage.tasks for stage in one] == [("mnli", "rte")]


@pytest.mark.slow
def test_mtl_all_is_one_stage_for_all_targets(plan: Plan) -> None:
    all_nine = "strategy.tasks=[cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte,wnli]"
    (stage,) = plan("strategy=mtl_all", all_nine)
    assert len(stage.tasks) == 9
    for target in stage.tasks:
        assert keys(plan("strategy=mtl_all", all_nine, f"target_task={target}")) == [stage.key]


def test_mtl_all_takes_in_the_target(plan: Plan) -> None:
    (stage,) = plan("strategy=mtl_all", "strategy.tasks=[cola,mrpc]", "target_task=rte")
    assert stage.tasks == ("cola", "mrpc", "rte")


MTL_THEN_TARGET = "strategy=mtl_then_target"


def test_mtl_then_target_goes_on_from_what_mtl_was_best_for_the_target(plan: Plan) -> None:
    together, final = plan(MTL_THEN_TARGET, "support_task=mnli")
    assert [together.key] == keys(plan("strategy=mtl", "support_task=mnli"))
    assert (together.title, final.title) == ("mnli+rte", "rte<-mnli+rte:rte")
    assert final.start == Need(together, "rte")


@pytest.mark.parametrize("supports", ["many", "all"])
def test_mtl_then_target_takes_several_supports(plan: Plan, supports: str) -> None:
    together, final = plan(
        MTL_THEN_TARGET, f"strategy.supports={supports}", "strategy.tasks=[qnli,mnli]"
    )
    assert (together.title, final.title) == ("mnli+qnli+rte", "rte<-mnli+qnli+rte:rte")


def test_a_chain_takes_its_supports_in_the_order_given(plan: Plan) -> None:
    stages = plan("strategy=chain", "strategy.tasks=[qnli,mnli]")
    assert [stage.title for stage in stages] == ["qnli", "mnli<-qnli", "rte<-mnli<-qnli"]
    assert [stage.start for stage in stages[1:]] == [
        Need(stages[0], "qnli"),
        Need(stages[1], "mnli"),
    ]
    other = keys(plan("strategy=chain", "strategy.tasks=[mnli,qnli]"))
    assert not {*keys(stages)} & {*other}


def test_chains_that_begin_alike_share_their_first_stages(plan: Plan) -> None:
    two = keys(plan("strategy=chain", "strategy.tasks=[qnli,mnli]"))
    three = keys(plan("strategy=chain", "strategy.tasks=[qnli,mnli,sst2]"))
    assert three[:2] == two[:2]
    assert keys(plan("strategy=chain", "strategy.tasks=[mnli]")) == keys(
        plan("strategy=stilts", "support_task=mnli")
    )


def test_mtl_with_several_supports_is_one_stage_whatever_their_order(plan: Plan) -> None:
    (stage,) = plan("strategy=mtl_many", "strategy.tasks=[qnli,mnli]")
    assert stage.tasks == ("mnli", "qnli", "rte")
    for same in (
        ("strategy=mtl_many", "strategy.tasks=[mnli,qnli]"),
        ("strategy=mtl_many", "strategy.tasks=[rte,mnli]", "target_task=qnli"),
        ("strategy=mtl_all", "strategy.tasks=[mnli,qnli,rte]"),
    ):
        assert keys(plan(*same)) == [stage.key]


SEVERAL = ("strategy=chain", "strategy=mtl_many")


@pytest.mark.parametrize("strategy", SEVERAL)
@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("[]", r"^Add strategy.tasks=\[<task>, ...\]: strategy=\w+ needs one"),
        ("[mnli,rte]", "^Change strategy.tasks: 'rte' is the target task already"),
        ("[mnli,mnli]", "^Change strategy.tasks: 'mnli' is there twice"),
    ],
)
def test_several_supports_are_named_and_differ(
    plan: Plan, strategy: str, tasks: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        plan(strategy, f"strategy.tasks={tasks}")


LP_FT = "strategy=lp_ft"


def test_lp_ft_trains_the_head_first_at_a_rate_of_its_own(plan: Plan) -> None:
    probe, final = plan(LP_FT, "optim.lr=3e-5")
    assert (probe.title, final.title) == ("heads(rte)", "rte<-heads(rte)")
    assert [stage.config.trainable for stage in (probe, final)] == ["heads", "all"]
    assert [stage.config.optim.lr for stage in (probe, final)] == [1e-3, 3e-5]
    assert final.start == Need(probe, "rte")
    assert probe.key not in keys(plan("optim.lr=1e-3"))
    assert plan(LP_FT, "optim.lr_heads=0.01")[0].config.optim.lr == 0.01


def test_probes_are_shared_by_whatever_changes_the_second_stage_alone(plan: Plan) -> None:
    one, other = plan(LP_FT, "optim.lr=3e-5"), plan(LP_FT, "optim.lr=5e-5")
    assert one[0].key == other[0].key
    assert one[1].key != other[1].key
    assert keys(plan("trainable=heads", "optim.lr=1e-3")) == [one[0].key]


STILTS = ("strategy=stilts", "trainable=heads")
MTL = ("strategy=mtl", "trainable=heads")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((LP_FT, "trainable=heads"), "all: strategy=lp_ft trains the head first, and then more"),
        (
            (*MTL, "support_task=qnli"),
            "all, or heads to per_label_count: qnli, rte share no weights that trainable=heads",
        ),
        (
            (*STILTS, "support_task=qnli"),
            r"all, or strategy: heads\(rte\)<-heads\(qnli\) takes over no head of heads\(qnli\)",
        ),
        (
            (*STILTS, "support_task=mnli", "heads=per_label_count"),
            "all, or strategy: .* takes over no head of .*, which trains nothing else",
        ),
        (
            ("strategy=merge", "trainable=heads", "support_task=mnli"),
            r"all, or strategy: trainable=heads leaves the encoders as they are, so that there is "
            r"nothing to merge \(average\(heads\(rte\)\+heads\(mnli\)\)\)",
        ),
        (
            ("strategy=merge", "trainable=heads", "support_task=mnli", "merging.fine_tune=true"),
            "all, or strategy: trainable=heads leaves the encoders as they are",
        ),
    ],
)
def test_heads_that_would_be_trained_in_vain_are_refused(
    plan: Plan, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=f"^Change trainable to {message}"):
        plan(*overrides)


@pytest.mark.parametrize("strategy", [STILTS, MTL])
def test_heads_that_tasks_share_can_be_trained_alone(plan: Plan, strategy: tuple[str, ...]) -> None:
    assert plan(*strategy, "support_task=qnli", "heads=per_label_count")


@pytest.mark.parametrize(
    ("strategy", "override", "is_same"),
    [
        ("chain", "optim.lr_heads=0.01", True),
        ("mtl_many", "optim.lr_heads=0.01", True),
        ("mtl_then_target", "optim.lr_heads=0.01", True),
        ("chain", "sampling=uniform", True),
        ("chain", "method=mean", True),
        ("chain", "sampling.last_batch=drop", False),
        ("chain", "subsample_size.support=10", False),
        ("mtl_many", "sampling=uniform", False),
        ("mtl_many", "method=mean", False),
        ("mtl_many", "heads=per_label_count", False),
        ("mtl_then_target", "sampling=uniform", False),
        ("mtl_then_target", "method=mean", False),
    ],
)
def test_without_effect_names_what_changes_no_stage(
    compose: Compose, strategy: str, override: str, is_same: bool
) -> None:
    choice = (f"strategy={strategy}", "strategy.supports=many", "strategy.tasks=[qnli,mnli]")
    cfgs = compose(*choice), compose(*choice, override)
    plans, folders = zip(
        *((keys(build(cfg).plan()), job_folder_name(unresolved(cfg))) for cfg in cfgs), strict=True
    )
    assert (plans[0] == plans[1]) == (folders[0] == folders[1]) == is_same


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("strategy=stilts", "strategy.supports=many", "strategy.tasks=[mnli,qnli]"),
            r"supports to one: strategy=stilts takes 1 support, and there are 2 \(mnli, qnli\)\.$",
        ),
        (
            ("strategy.supports=one", "support_task=mnli"),
            r"supports to none: strategy=single takes no support, and there are 1 \(mnli\)\.$",
        ),
        (
            ("strategy=stilts", "strategy.supports=none"),
            "supports to one or many: it is none, and strategy=stilts needs a support",
        ),
        (
            (MTL_THEN_TARGET, "strategy.supports=all", "strategy.tasks=[rte]"),
            "tasks: none of them is another than the target, and strategy=mtl_then_target needs",
        ),
    ],
)
def test_as_many_supports_as_a_strategy_does_not_take_are_refused(
    plan: Plan, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=f"^Change strategy.{message}"):
        plan(*overrides)


@pytest.mark.parametrize(
    "override",
    [
        "sampling=uniform",
        "sampling.batches=homogeneous",
        "method=mean",
        "heads=per_label_count",
        "subsample_size.support=10",
        "sampling.epoch=target",
        "strategy.tasks=[rte]",
    ],
)
def test_single_has_one_key_whatever_mixing_is_set(plan: Plan, override: str) -> None:
    assert keys(plan(override)) == keys(plan())


def test_heads_matter_to_a_stage_with_a_start(plan: Plan) -> None:
    chain = ("strategy=stilts", "support_task=mnli")
    first, second = plan(*chain)
    other_first, other_second = plan(*chain, "heads=per_label_count")
    assert first.key == other_first.key
    assert second.key != other_second.key


def test_the_target_matters_only_where_an_epoch_is_measured_by_it(plan: Plan) -> None:
    pairs = [("target_task=rte", "support_task=mnli"), ("target_task=mnli", "support_task=rte")]
    one, other = (plan("strategy=mtl", "sampling.epoch=target", *pair) for pair in pairs)
    assert keys(one) != keys(other)


def test_dynamic_sampling_needs_the_score_of_every_task_alone(plan: Plan) -> None:
    pair = ("strategy=mtl", "target_task=rte", "support_task=mnli")
    *alone, joint = plan(*pair, "sampling=dynamic")
    assert [stage.title for stage in [*alone, joint]] == ["mnli", "rte", "mnli+rte"]
    assert keys(alone) == [*keys(plan("target_task=mnli")), *keys(plan("target_task=rte"))]
    assert [stage.title for stage in plan(*pair, "sampling=annealed")] == ["mnli+rte"]
    same = plan("strategy=stilts", *pair[1:], "sampling=dynamic")
    assert keys(same) == keys(plan("strategy=stilts", *pair[1:]))


def test_how_a_size_is_written_changes_nothing(plan: Plan) -> None:
    mtl = ("strategy=mtl", "support_task=mnli", "subsample_size.target=100")
    same = [keys(plan(*mtl, f"subsample_size.support={size}")) for size in ("2x", 200, "0.0125")]
    assert same[0] == same[1] == same[2]


def test_the_draws_seed_matters_only_to_a_draw(plan: Plan) -> None:
    whole = [
        "subsample_size.target=null",
        "subsample_size.support=null",
        "subsample_size.dev=null",
    ]
    assert keys(plan(*whole)) == keys(plan(*whole, "subsample_size.seed=5"))
    assert keys(plan()) != keys(plan("subsample_size.seed=5"))
    held = (*whole, "selection=held_out")
    assert keys(plan(*held)) != keys(plan(*held, "subsample_size.seed=5"))


def test_a_temperature_matters_only_to_its_rule(plan: Plan) -> None:
    mtl = ("strategy=mtl", "support_task=mnli")
    for changes, same in ((["sampling=uniform"], True), (["sampling=temperature"], False)):
        other = [*changes, "sampling.temperature=7", "sampling.cap=9"]
        assert (keys(plan(*mtl, *changes)) == keys(plan(*mtl, *other))) == same


@pytest.mark.slow
def test_the_grid_of_nine_tasks_is_118_stages_a_seed(compose: Compose) -> None:
    names = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
    tasks = {name: compose(f"target_task={name}").target_task for name in names}
    every = f"strategy.tasks=[{','.join(names)}]"
    found: set[str] = set()
    for strategy in ("single", "stilts", "mtl", "mtl_all"):
        cfg = compose(f"strategy={strategy}", every)
        for target, support in product(names, names):
            cfg.target_task, cfg.support_task = tasks[target], tasks[support]
            if target != support:
                found |= set(keys(build(cfg, in_sweep=True).plan()))
    assert len(found) == 9 + 72 + 36 + 1


@pytest.mark.parametrize(
    ("override", "is_same"),
    [
        ("sampling=uniform", True),
        ("method=mean", True),
        ("heads=per_label_count", True),
        ("subsample_size.support=10", True),
        ("sampling.last_batch=drop", False),
        ("optim.lr_heads=0.01", False),
    ],
)
def test_lp_ft_is_the_same_where_its_yaml_says_so(
    compose: Compose, override: str, is_same: bool
) -> None:
    cfgs = compose(LP_FT), compose(LP_FT, override)
    plans, folders = zip(
        *((keys(build(cfg).plan()), job_folder_name(unresolved(cfg))) for cfg in cfgs), strict=True
    )
    assert (plans[0] == plans[1]) == (folders[0] == folders[1]) == is_same
