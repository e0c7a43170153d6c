"""Tasks whose rows are rows of another one: which head reads them, what is refused, a run."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.experiments import Compose, Run
from tests.support.interrupting import LENGTH, SIZES, assert_goes_on
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.tasks.kinds import head_name

AS_RTE = ("target_task=rte", "support_task=mnli_relabelled")


def test_rows_of_another_task_train_its_head(compose: Compose) -> None:
    *_, stage = build(compose("strategy=mtl", *AS_RTE)).plan()
    tasks = [subset.task for subset in stage.subsets]
    model = MultiTaskModel(load_encoder(stage.config.encoder), tasks, "per_task")
    assert model.head_names == ["rte", "rte"]
    assert [*model.heads] == ["head_rte"]
    assert {head_name(task, "per_label_count") for task in tasks} == {"labels_2"}


def test_without_it_every_stage_is_what_it_was(compose: Compose) -> None:
    def keys(*words: str) -> list[str]:
        pair = ("strategy=stilts", "target_task=rte", "support_task=qnli")
        return [stage.key for stage in build(compose(*pair, *words)).plan()]

    assert keys("+support_task.head=null", "+support_task.relabel=null") == keys()
    assert not {*keys("+support_task.head=rte")} & {*keys()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("+support_task.head=sst2",), "to one of rte, or to null: this experiment has no other"),
        (("+support_task.head=qnli",), "to one of rte, or to null: this experiment has no other"),
        (("strategy=single", "+target_task.head=qnli"), "to null: this experiment has no other"),
        (
            ("+support_task.head=rte", "+target_task.head=qnli"),
            "of task 'rte' to 'rte', whose head 'qnli' has too",
        ),
        (
            ("+support_task.head=rte", "support_task=mnli"),
            "of task 'mnli' to null, or its labels to that of 'rte': one head reads both",
        ),
        (
            ("+support_task.head=rte", "+support_task.head_layer=1"),
            "of task 'qnli' to null, or its head_layer to that of 'rte'",
        ),
    ],
)
def test_a_head_that_can_not_read_the_rows_is_refused(
    compose: Compose, words: tuple[str, ...], message: str
) -> None:
    pair = ("strategy=mtl", "target_task=rte", "support_task=qnli")
    given = pair[:2] if "strategy=single" in words else pair
    with pytest.raises(UserError, match=message):
        build(compose(*given, *words))


def test_stilts_goes_on_with_the_head_of_the_support(
    run: Run, compose: Compose, tmp_path: Path
) -> None:
    """A support with a head of its own leaves the target's as it begins."""
    slow = ("optim.lr=1e-9", "keep_weights=all", "strategy=stilts")
    for support in ("support_task=mnli_relabelled", "support_task=qnli"):
        words = (*slow, "target_task=rte", support)
        assert run(*words).status == "done"
        first, second = build(compose(*words)).plan()
        before, after = (
            load_file(tmp_path / "store" / stage.key / "weights" / task / "heads.safetensors")
            for stage, task in ((first, first.tasks[0]), (second, "rte"))
        )
        same = all(torch.allclose(before[name], after[name], atol=1e-5) for name in after)
        assert same == (support == "support_task=mnli_relabelled")


def test_supports_of_a_list_may_speak_of_the_target(run: Run) -> None:
    many = "strategy.tasks=[mnli_relabelled,qnli]"
    record = run("strategy=mtl_many", "target_task=rte", many)
    assert record.status == "done"
    assert sorted(record.support_tasks) == ["mnli_relabelled", "qnli"]


def test_a_killed_stage_ends_as_if_it_had_not_been(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, stage = build(compose("strategy=mtl", *AS_RTE, *SIZES, *LENGTH, "keep_weights=all")).plan()
    assert_goes_on(stage, tmp_path, monkeypatch)  # type: ignore[arg-type]
