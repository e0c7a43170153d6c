"""The stage that writes rows: its key, who needs it, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tests.support.writers import overrides
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.cross_fit import dev_readers
from tlbench.plan.rows_stage import RowsStage
from tlbench.plan.stage import Need, Stage
from tlbench.plan.train_stage import TrainStage


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return overrides(tmp_path_factory.mktemp("writer"))


def rows_of(plan: list[Stage]) -> RowsStage:
    (stage,) = (one for one in plan if isinstance(one, RowsStage))
    return stage


def test_what_trains_on_the_rows_needs_the_stage(compose: Compose, writes: list[str]) -> None:
    rows, support, target = build(compose(*writes, "strategy=stilts")).plan()
    assert isinstance(rows, RowsStage)
    assert isinstance(support, TrainStage)
    assert support.needs == (Need(rows),)
    assert (rows.needs, rows.tasks, rows.title) == ((), (), "rows(synthesised for sst2)")
    assert target.needs == (Need(support, "synthesised"),)
    assert target.title == "sst2<-synthesised"
    (subset,) = support.subsets
    assert (subset.count, subset.rows, subset.dev_count) == (
        12,
        {"train": 12, "dev": 6},
        {"dev": 6},
    )
    assert subset.task.head == "sst2"


def test_every_strategy_and_seed_has_the_same_rows(compose: Compose, writes: list[str]) -> None:
    choices = ["strategy=stilts", "strategy=mtl", "strategy=mtl_then_target"]
    runs = [
        (strategy, f"seed={seed}", f"optim.lr={seed + 1}e-4")
        for seed, strategy in enumerate(choices)
    ]
    by_names = ("strategy=chain", "strategy.tasks=[synthesised]", "support_task=none")
    keys = {rows_of(build(compose(*writes, *run)).plan()).key for run in runs}
    assert len(keys) == 1
    own = [word for word in writes if "support_task" not in word]
    named = rows_of(build(compose(*own, *by_names)).plan())
    assert named.counts == {"train": 200, "dev": 40}


OTHERS = {
    "synthesis.prompt": "'{label}'",
    "+synthesis.label_words": "{negative: bad}",
    "synthesis.examples": "3",
    "synthesis.batch": "9",
    "synthesis.temperature": "0.9",
    "synthesis.top_p": "0.9",
    "synthesis.max_new_tokens": "9",
    "synthesis.least_words": "2",
    "synthesis.most_words": "9",
    "synthesis.most_similar": "0.6",
    "synthesis.agreement": "true",
    "synthesis.seed": "1",
    "support_task.source.train": "13",
    "support_task.source.dev": "7",
    "subsample_size.target": "63",
    "subsample_size.seed": "1",
    "suite.seed": "1",
    "suite.sources.sst2.dev": "499",
    "suite.sources.sst2.test": "20",
    "selection": "held_out",
}


def test_what_changes_the_rows_changes_the_key(compose: Compose, writes: list[str]) -> None:
    usual = build(compose(*writes, "strategy=stilts")).plan()
    keys = {rows_of(usual).key: "nothing"}
    for name, value in OTHERS.items():
        plan = build(compose(*writes, "strategy=stilts", f"{name}={value}")).plan()
        assert keys.setdefault(rows_of(plan).key, name) == name
        assert plan[-1].key != usual[-1].key


def test_what_does_not_change_them_does_not(
    compose: Compose, writes: list[str], tmp_path: Path
) -> None:
    usual = rows_of(build(compose(*writes, "strategy=stilts")).plan())
    model = Path(usual.options.model)
    elsewhere = shutil.copytree(model, tmp_path / "elsewhere")
    same = (f"synthesis.model={elsewhere}", "synthesis.tries=9", "seed=3", "encoder.max_length=32")
    assert rows_of(build(compose(*writes, "strategy=stilts", *same)).plan()).key == usual.key
    config = (elsewhere / "generation_config.json").read_text()
    (elsewhere / "generation_config.json").write_text(config.replace("{", '{"min_length": 1,', 1))
    assert rows_of(build(compose(*writes, "strategy=stilts", *same)).plan()).key != usual.key


def test_a_teacher_is_the_target_alone_and_dev_has_chosen_its_weights(
    compose: Compose, writes: list[str]
) -> None:
    asked = (
        *writes,
        "strategy=stilts",
        "synthesis.agreement=true",
        "seed=3",
        "selection=cross_fit",
    )
    plan = build(compose(*asked)).plan()
    alone = build(compose("target_task=sst2", "seed=0")).plan()[-1]
    rows = rows_of(plan)
    assert rows.needs == (Need(rows.needs[0].stage, "sst2"),)
    assert rows.needs[0].stage.key == replace(alone, config=rows.needs[0].stage.config).key
    assert dev_readers(plan[-1], "sst2") == ["weights of sst2"]
    without = build(compose(*writes, "strategy=stilts", "selection=cross_fit")).plan()
    assert dev_readers(without[-1], "sst2") == []


def test_rows_that_are_held_out_are_not_shown(compose: Compose, writes: list[str]) -> None:
    held = rows_of(build(compose(*writes, "strategy=mtl", "selection=held_out")).plan())
    usual = rows_of(build(compose(*writes, "strategy=mtl")).plan())
    assert len(usual.shown_rows()) == 64
    assert {*held.shown_rows().tolist()} < {*usual.shown_rows().tolist()}
    assert len(held.shown_rows()) == 58


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            ["target_task=stsb"],
            "Change support_task, or target_task: synthesised writes rows of one",
        ),
        (["support_task.labels=[a,b]", "support_task.head=null"], "Change labels of task 'synth"),
        (["support_task.source.train=0.5"], "Change source.train .*: give a number of rows, not 0"),
        (["support_task.source.dev=null"], "Change source.dev .*: give a number of rows, not None"),
        (["++support_task.source.test=4"], "Leave out source.more_dev and source.test of task"),
        (["++support_task.source.template=['{a}']"], "Leave out groups, relabel and source.templ"),
        (["synthesis.prompt=x"], "Change synthesis.prompt: it does not say {label}"),
        (["synthesis.model=/nowhere"], "Change synthesis.model: there is nothing at /nowhere"),
        (["synthesis.model=package:nowhere/x.gguf"], "Change synthesis.model, or pip install nowh"),
        (["synthesis.model=package:tlbench/x.gguf"], "Change synthesis.model: there is nothing at"),
        (["subsample_size.target=1"], "Change synthesis.examples to 0, or subsample_size.target"),
        (["subsample_size.support=13"], "Change subsample_size.support: 13 asks for 13 rows"),
        (["synthesis.model=no/such"], "Change synthesis.model: 'no/such' is no folder and not in"),
    ],
)
def test_what_is_refused(
    compose: Compose, writes: list[str], wrong: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        build(compose(*writes, "strategy=stilts", *wrong)).plan()


def test_a_target_is_not_written(compose: Compose, writes: list[str]) -> None:
    with pytest.raises(UserError, match="Change the task 'sst2' to a support of one target"):
        build(compose(*writes, "strategy=stilts", "++target_task.source.format=synthesised"))


def test_a_file_of_a_model_is_one_that_can_be_read(
    compose: Compose, writes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    (tmp_path / "model.gguf").write_bytes(b"x")
    for name, installed, message in (
        ("model.bin", True, "model.bin is a file, and no .gguf"),
        ("model.gguf", False, r"or install what reads model.gguf: pip install 'tlbench\[synth\]'"),
    ):
        monkeypatch.setattr(
            "tlbench.plan.writer_files.find_spec", lambda _, has=installed: has or None
        )
        with pytest.raises(UserError, match=message):
            build(compose(*writes, "strategy=stilts", f"synthesis.model={tmp_path / name}"))
    monkeypatch.setattr("tlbench.plan.writer_files.find_spec", lambda _: True)
    model = f"synthesis.model={tmp_path / 'model.gguf'}"
    one = rows_of(build(compose(*writes, "strategy=stilts", model)).plan())
    (tmp_path / "model.gguf").write_bytes(b"another")
    other = rows_of(build(compose(*writes, "strategy=stilts", model)).plan())
    assert one.identity.startswith("sha256:")
    assert one.identity != other.identity
