from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tlbench.config import search_path
from tlbench.errors import UserError
from tlbench.plan.build import build


def nothing(experiment: object) -> None:
    """A strategy that gives no stage."""


MANY = "strategy.supports=many"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["support_task=mnli"], "Change support_task to none: strategy=single"),
        (["strategy=mtl_all", "support_task=mnli"], "Change support_task to none"),
        (["strategy=stilts"], "Add support_task=<task>: strategy=stilts"),
        (["strategy=mtl"], "Add support_task=<task>: strategy=mtl"),
        (
            ["support_task=mnli"],
            "Change support_task to none: strategy=single uses no support task",
        ),
        (
            ["strategy=mtl", "support_task=mnli", MANY, "strategy.tasks=[qnli]"],
            "Change support_task to none: strategy=mtl takes its supports from strategy.tasks",
        ),
        (
            ["strategy=mtl_all", "support_task=mnli"],
            "Change support_task to none: strategy=mtl_all takes its supports from strategy.tasks",
        ),
        (
            ["strategy=stilts", "support_task=mnli", MANY, "strategy.tasks=[mnli,qnli]"],
            r"^Change strategy.supports to one: strategy=stilts takes 1 support, and there are 2",
        ),
        (
            ["strategy=mtl_many", "support_task=mnli", "strategy.tasks=[]"],
            "Add strategy.tasks=.<task>, ....",
        ),
        (["strategy=mtl", "support_task=rte"], "'rte' is the target task already"),
        (["subsample_size.target=801"], "Change subsample_size.target: 801 asks for 801 rows"),
        (["subsample_size.target=2x"], "Change subsample_size.target: '2x' is a multiple"),
        (
            ["strategy=mtl", "support_task=wnli", "subsample_size.support=401"],
            "Change subsample_size.support: 401 asks for 401 rows and task 'wnli' has 400",
        ),
        (["+subsample_size.per_task.rte=801"], "Change subsample_size.per_task.rte: 801 asks for"),
        (["+subsample_size.per_task.nope=8"], "Change subsample_size.per_task: .* 'nope'"),
        (
            ["+subsample_size.per_task.rte=100", "subsample_size.target=200"],
            "Change subsample_size.target: 200 asks for 200 rows and task 'rte' has 100",
        ),
        (["strategy=mtl_all", "strategy.tasks=[cola,nope]"], "Change strategy.tasks: .* 'nope'"),
        (["strategy.plan=no.such.function"], "Change strategy.plan"),
        (["strategy.plan=os.system"], "Change strategy.plan: 'os.system' is of Python's own libr"),
        (["strategy.plan=builtins.exec"], "'builtins.exec' is of Python's own library"),
        (["strategy.plan=torch.os.getcwd"], "'torch.os.getcwd' is of Python's own library"),
        (["strategy.plan=torch.load"], "'torch.load' takes no experiment; .* argument is called"),
        (["strategy.plan=torch.add"], "'torch.add' takes no experiment"),
        ([f"strategy.plan={__name__}.nothing"], r"Change strategy.plan: .*nothing. gives no stage"),
        (["suite=glue_tsv", "suite.root=nowhere"], "suite.root.: there is no folder nowhere"),
        (["suite=glue"], "Change suite .*'nyu-mll/glue' rte train can't be loaded"),
    ],
)
def test_wrong_input_is_one_sentence(compose: Compose, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        build(compose(*overrides)).plan()
    assert "\n" not in str(raised.value)


def test_a_sweep_drops_the_support_task_of_single(compose: Compose) -> None:
    found = build(compose("support_task=mnli"), in_sweep=True)
    assert found.supports == ()
    assert found.title == "single rte s0"


def test_sizes(compose: Compose) -> None:
    found = build(
        compose(
            "strategy=mtl",
            "support_task=mnli",
            "subsample_size.target=100",
            "subsample_size.support=3x",
            "subsample_size.dev=500",
        )
    )
    (support,) = found.supports
    assert (found.target.count, support.count) == (100, 300)
    # At most 500: rte has 400 dev rows.
    assert found.target.dev_count == {"dev": 400}
    assert support.dev_count == {"dev": 500, "dev_mismatched": 500}
    assert found.title == "mtl rte<-mnli s0"


def test_sizes_of_single_tasks_hold_wherever_a_task_stands(compose: Compose) -> None:
    sizes = (
        "+subsample_size.per_task={rte: 300, mnli: 1/2, cola: 50}",
        "subsample_size.target=0.5",
        "subsample_size.support=null",
    )
    found = build(compose(*sizes, "strategy=mtl", "support_task=mnli"))
    (support,) = found.supports
    assert (found.target.count, support.count) == (150, support.rows["train"] // 2)
    every = build(compose(*sizes, "strategy=mtl_all", "strategy.tasks=[cola,mrpc,rte]"))
    counts = {draw.name: draw.count for draw in every.supports}
    assert counts == {"cola": 50, "mrpc": every.supports[1].rows["train"]}
    # A part of a larger draw, and the whole key: the rows are what counts.
    plain = build(compose("subsample_size.target=150")).plan()
    assert [stage.key for stage in build(compose(*sizes)).plan()] == [s.key for s in plain]


def test_a_users_yaml_is_target_support_and_one_of_all(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    (folder / "target_task").mkdir(parents=True)
    (folder / "target_task" / "mine.yaml").write_text(
        "name: mine\nlabels: [bad, good]\nscore: [macro_f1]\nmetrics: [macro_f1, accuracy]\n"
        f"source: {{format: csv, path: {tmp_path}, text: [text], label: verdict}}\n"
    )
    for split in ("train", "dev"):
        (tmp_path / f"{split}.csv").write_text("text,verdict\nawful,bad\nfine,good\n")
    monkeypatch.setattr(search_path, "_folders", [search_path.CONF_DIR, folder])
    every = build(
        compose("strategy=mtl_all", "strategy.tasks=[mine,cola]", "subsample_size.support=null")
    )
    assert [draw.name for draw in every.supports] == ["cola", "mine"]


def test_a_task_file_of_another_name_is_refused(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a stage of all tasks might hold one twice."""
    (tmp_path / "target_task").mkdir()
    rte = (search_path.CONF_DIR / "target_task" / "rte.yaml").read_text()
    (tmp_path / "target_task" / "mine.yaml").write_text(rte)
    monkeypatch.setattr(search_path, "_folders", [search_path.CONF_DIR, tmp_path])
    for key, override in (
        ("strategy.tasks", ["strategy=mtl_all", "strategy.tasks=[mine,rte]", "target_task=cola"]),
        ("subsample_size.per_task", ["+subsample_size.per_task.mine=8"]),
    ):
        with pytest.raises(UserError, match=f"Change {key}, or name in .*mine.yaml, which is not"):
            build(compose(*override))


def test_planning_needs_no_files_of_the_encoder(compose: Compose) -> None:
    assert build(compose("encoder=roberta_base")).plan()


TUNED = "++tuned.supports.mnli={optim.lr:0.0001,trainer.max_epochs:5}"


def stage_keys(compose: Compose, *overrides: str) -> list[str]:
    return [stage.key for stage in build(compose(*overrides)).plan()]


def test_a_support_alone_has_its_own_values_and_is_that_task_s_single(compose: Compose) -> None:
    pair = ("strategy=stilts", "support_task=mnli")
    before, after = stage_keys(compose, *pair), stage_keys(compose, *pair, TUNED)
    (single,) = stage_keys(
        compose,
        "target_task=mnli",
        "optim.lr=1e-4",
        "trainer.max_epochs=5",
    )
    assert after[0] == single != before[0]
    support, target = build(compose(*pair, TUNED)).plan()
    assert (support.config.optim.lr, support.config.trainer.max_epochs) == (1e-4, 5)
    assert target.config.optim.lr == compose().optim.lr


def test_values_that_hold_anyway_are_the_same_stages(compose: Compose) -> None:
    pair = ("strategy=stilts", "support_task=mnli")
    lr = compose().optim.lr
    tuned = (f"++tuned.supports.mnli={{optim.lr:{lr}}}", "++tuned.grid={optim.lr:[1,2]}")
    assert stage_keys(compose, *pair, *tuned, "tuned.trials=2") == stage_keys(compose, *pair)


def test_neither_a_target_nor_a_mixed_stage_has_a_support_s_values(compose: Compose) -> None:
    for choice in (("target_task=mnli",), ("strategy=mtl", "support_task=mnli")):
        assert stage_keys(compose, *choice, TUNED) == stage_keys(compose, *choice)


def test_a_strategy_s_own_values_are_before_the_tuned_ones(compose: Compose) -> None:
    experiment = build(compose("strategy=stilts", "support_task=mnli", TUNED))
    (support,) = experiment.supports
    own = experiment.stage([support], optim={"lr": 3e-3})
    assert (own.config.optim.lr, own.config.trainer.max_epochs) == (3e-3, 5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("3", "Change tuned.supports.mnli: "),
        ("{optim.lrr:1}", "Change tuned.supports.mnli: optim.lrr can't be tuned; there are "),
        ("{optim.optimizer:{_target_:os.system}}", "optim.optimizer can't be tuned"),
        ("{optim.lr:-1}", "Change tuned.supports.mnli, for a stage of it is wrong: .*optim.lr"),
    ],
)
def test_values_of_a_support_that_can_not_be_are_one_sentence(
    compose: Compose, values: str, said: str
) -> None:
    pair = ("strategy=stilts", "support_task=mnli")
    with pytest.raises(UserError, match=said):
        build(compose(*pair, f"++tuned.supports.mnli={values}")).plan()
