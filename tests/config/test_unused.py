"""What is given and has no effect is refused, where nothing in the command makes use of it."""

import subprocess
from collections.abc import Callable

import pytest

from tests.support.experiments import Compose
from tests.support.sweeps import MakeSweeper
from tlbench.config.identity import job_folder_name, unresolved
from tlbench.config.keys import declared
from tlbench.config.schema import Config
from tlbench.config.unused import check_no_option_of_sweeps, check_used, given, used_by_any
from tlbench.config.validation import parse_config
from tlbench.errors import UserError
from tlbench.sweep.compose import Combination, Composer, combine

Combine = Callable[..., list[Combination]]
MTL = "strategy=mtl support_task=mnli"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"{MTL} perturb.rho=0.3", "Add perturb=sam, or leave out perturb.rho: it has no effect"),
        (f"{MTL} perturb.per_task=true", "Add perturb=sam, or leave out perturb.per_task: "),
        (f"{MTL} penalty.strength=1", "Add penalty=l1, or leave out penalty.strength: it has no"),
        ("penalty=l1 trainable=heads", "Change trainable to all, or leave out penalty: "),
        (f"{MTL} perturb={{rho:0.3}}", "Add perturb=sam, or leave out perturb.rho: "),
        (
            "encoder.adapter.r=4",
            "Add encoder/adapter=lora or encoder/adapter=dora, or leave out encoder.adapter.r: it "
            "has no effect with encoder/adapter=none.",
        ),
        (
            "trainable=bias trainable_layers=2",
            "Add trainable=top, or leave out trainable_layers: it has no effect with trainable=bi",
        ),
        (f"{MTL} sampling.temperature=3", "Add sampling=temperature or sampling=dynamic, or leave"),
        (f"{MTL} sampling.cap=9", "Add sampling=temperature, or leave out sampling.cap: "),
        (f"{MTL} sampling.mode=gap", "Add sampling=dynamic, or leave out sampling.mode: "),
        (f"{MTL} sampling.floor=0.1", "Add sampling=dynamic, or leave out sampling.floor: "),
        (
            f"{MTL} sampling=dynamic sampling.floor=0.1",
            "Change sampling.mode to gap or gap_x_size, or leave out sampling.floor: ",
        ),
        (
            f"{MTL} sampling=dynamic sampling.mode=gap sampling.temperature=3",
            "Change sampling.mode to softmax, or leave out sampling.temperature: ",
        ),
        (
            f"{MTL} synthesis.seed=1",
            "Add support_task=synthesised, or leave out synthesis.seed: no",
        ),
        ("optim.l2_sp=0.1 trainable=heads", "Change trainable to all, or leave out optim.l2_sp: "),
        ("perturb=sam perturb.per_task=true", "Change strategy, or leave out perturb.per_task: "),
        (f"{MTL} merging=ties", "Change strategy, or leave out merging: it has no effect with st"),
        ("method=dwa", "Change strategy, or leave out method: it has no effect with strategy=si"),
        ("method=dwa method.window=4", "Change strategy, or leave out method: "),
        ("sampling=uniform", "Change strategy, or leave out sampling: "),
        ("sampling.batches=homogeneous", "Change strategy, or leave out sampling.batches: "),
        ("heads=per_label_count", "Change strategy, or leave out heads: "),
        ("optim.lr_heads=0.1", "Change strategy, or leave out optim.lr_heads: "),
        ("strategy.tasks=[mnli]", "Change strategy, or leave out strategy.tasks: "),
        (
            f"{MTL} strategy.tasks=[qnli]",
            "Leave out strategy.tasks, or add strategy.supports=many: strategy=mtl takes its supp",
        ),
    ],
)
def test_a_single_run_makes_use_of_all_that_it_is_given(
    compose: Compose, words: str, said: str
) -> None:
    config = parse_config(compose(*words.split()))
    with pytest.raises(UserError) as refused:
        check_used(config, words.split())
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "words",
    [
        f"{MTL} perturb=sam perturb.rho=0.3 perturb.per_task=true",
        f"{MTL} perturb.rho=0.05 perturb.per_task=false sampling.cap=null",
        "encoder/adapter=lora encoder.adapter.r=4 encoder.adapter.target_modules=all-linear",
        "encoder/adapter=none encoder.adapter.r=8 trainable=top trainable_layers=2",
        f"{MTL} sampling=dynamic sampling.mode=gap sampling.floor=0.1",
        f"{MTL} sampling=dynamic sampling.temperature=2",
        "method=sum sampling=size perturb=none heads=per_task optim.lr_heads=1e-3",
        "sampling.last_batch=drop subsample_size=n100 target_task='rte'",
        "strategy=merge support_task=mnli merging=ties merging.scale=0.5",
        "strategy=lp_ft optim.lr_heads=0.1 optim.l2_sp=0.1",
        "strategy=mtl_all strategy.tasks=[rte,mnli] method=dwa",
        "subsample_size.support=9",  # of a loop over strategies
        "support_task=mnli",  # planning says that
    ],
)
def test_what_is_used_or_the_default_is_not_refused(compose: Compose, words: str) -> None:
    check_used(parse_config(compose(*words.split())), words.split())


@pytest.mark.parametrize(
    "word", ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.max_hours=3"]
)
def test_a_single_run_has_no_use_for_what_only_a_sweep_has(word: str) -> None:
    with pytest.raises(UserError, match=f"^Add -m, or leave out {word}: this is one run.$"):
        check_no_option_of_sweeps(["hydra.run.dir=here", "hydra.sweeper.dry_run=true", word])
    check_no_option_of_sweeps(["hydra.run.dir=here", "hydra.sweeper.dry_run=true"])


def test_every_key_that_goes_with_another_is_looked_at(compose: Compose) -> None:
    config = parse_config(compose(*MTL.split()))
    with_others = [name for name, key in declared(Config).items() if key.only_with]
    assert len(with_others) >= 6
    for name in with_others:
        with pytest.raises(UserError, match=f"or leave out {name}: it has no effect with"):
            check_used(config, [f"{name}=0.7"])


def test_what_is_given_is_of_one_value_each() -> None:
    words = ["seed=1", "~experiment", "method=dwa,sum", "hydra.x=1", "hydra/launcher=basic", "-m"]
    assert given([*words, "optim={lr: 1, warmup: 0.5}", "seed=2", "study='a'"]) == [
        "seed",
        "optim.lr",
        "optim.warmup",
        "study",
    ]


@pytest.fixture
def combinations(make_sweeper: MakeSweeper) -> Combine:
    def go(*arguments: str) -> list[Combination]:
        sweeper, config, overrides = make_sweeper(*arguments)
        axes = sweeper.axes(overrides)
        composed = combine(axes, Composer(sweeper.context.config_loader, config))
        return list(used_by_any(composed, sweeper.typed(axes)))

    return go


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("perturb.rho=0.1,0.2 perturb=none", "Add perturb=sam, or leave out perturb.rho: "),
        ("perturb.rho=0.3 strategy=single,mtl", "Add perturb=sam, or leave out perturb.rho: "),
        ("method=dwa,sum strategy=single,stilts", "Change strategy, or leave out method: it has"),
        ("merging=ties strategy=mtl,stilts", "Change strategy, or leave out merging: it has no e"),
    ],
)
def test_a_sweep_is_refused_what_no_combination_makes_use_of(
    combinations: Combine, words: str, said: str
) -> None:
    with pytest.raises(UserError) as refused:
        combinations("support_task=mnli", *words.split())
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "words",
    [
        "encoder/adapter=none,lora encoder.adapter.r=4",
        "trainable=all,top trainable_layers=2",
        "perturb=none,sam perturb.rho=0.1",
        "strategy=single,mtl method=dwa,sum",
        "seed=1,2",
    ],
)
def test_a_sweep_may_have_combinations_that_do_not(combinations: Combine, words: str) -> None:
    assert combinations("support_task=mnli", *words.split())


@pytest.mark.parametrize("words", ["strategy=stilts", "strategy=mtl_then_target method=sum"])
def test_a_part_of_an_experiment_leaves_parameters_of_the_rest(
    combinations: Combine, words: str
) -> None:
    asked = ("experiment=glue_cpu_methods", "target_task=rte", "seed=0", *words.split())
    assert combinations(*asked)
    with pytest.raises(UserError, match=r"or leave out perturb[.]rho: it has no effect"):
        combinations(*asked, "perturb.rho=0.1")


@pytest.mark.parametrize(
    ("without", "value"),
    [("perturb=none", "perturb.rho=0.1"), ("sampling=uniform", "sampling.temperature=3")],
)
def test_a_run_without_effect_is_the_run_without_the_value(
    compose: Compose, without: str, value: str
) -> None:
    names = {
        job_folder_name(unresolved(compose(*MTL.split(), without, *more))) for more in ([], [value])
    }
    assert len(names) == 1
    used = ("perturb=sam", "perturb.rho=0.1"), ("perturb=sam",)
    assert len({job_folder_name(unresolved(compose(*words))) for words in used}) == 2


def test_on_the_command_line(
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    grid = ("debug=fast", "hydra.sweeper.dry_run=true", "perturb.rho=0.1,0.2", "-m")
    refused = command(*grid)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Add perturb=sam, or leave out perturb.rho: ")
    ran = command(*grid, "perturb=none,sam")
    assert "4 combinations: 0 impossible; 1 duplicate" in ran.stdout
    single = command("debug=fast", *MTL.split(), "perturb.rho=0.3")
    assert single.returncode == 1
    assert "Traceback" not in single.stdout + single.stderr
    assert "Add perturb=sam, or leave out perturb.rho: it has no effect" in (
        single.stdout + single.stderr
    )
    one_run = command("debug=fast", "hydra/launcher=joblib")
    assert one_run.returncode == 1
    assert "Add -m, or leave out hydra/launcher=joblib" in one_run.stdout + one_run.stderr
