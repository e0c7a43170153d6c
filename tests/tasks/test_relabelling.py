"""Labels that are read as others, in every format; what is refused."""

from pathlib import Path

import pytest

from tests.support.experiments import Compose
from tlbench.config.schema import Source, Task
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.relabelling import new_labels, source_labels

TWO = ["entailment", "not_entailment"]
RELABEL = {"entailment": TWO[0], "neutral": TWO[1], "contradiction": TWO[1]}


def task(source: Source | None = None, **more: object) -> Task:
    made = {"labels": TWO, "relabel": RELABEL, "score": ["accuracy"], "metrics": ["accuracy"]}
    return Task(name="t", source=source or Source(text=["a"], label="y"), **{**made, **more})  # type: ignore[arg-type]


def test_labels_of_the_source_are_read_as_those_of_the_task() -> None:
    assert source_labels(task()) == ["entailment", "neutral", "contradiction"]
    assert new_labels(task()) == [0.0, 1.0, 1.0]
    to_label = kind_of(task()).labeller()
    assert [to_label(raw, "here") for raw in RELABEL] == [0.0, 1.0, 1.0]
    assert kind_of(task()).outputs == 2
    with pytest.raises(UserError, match="here has the label 'not_entailment', known are entail"):
        to_label("not_entailment", "here")


def test_how_the_labels_are_written_is_said_of_those_of_the_source() -> None:
    written = task(Source(text=["a"], label="y", values=["2", "1", "0"]))
    check_task(written)
    to_label = kind_of(written).labeller()
    assert [to_label(raw, "here") for raw in (2, "1", "0")] == [0.0, 1.0, 1.0]
    with pytest.raises(UserError, match=r"^Change source\.values of task 't': give a different"):
        check_task(task(Source(text=["a"], label="y", values=["0", "1"])))


def test_rows_of_files_and_generated_ones_are_relabelled(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        (tmp_path / f"{name}.csv").write_text("a,y\nx,neutral\ny,entailment\nz,contradiction\n")
    of_files = task(Source(path=str(tmp_path), format="csv", text=["a"], label="y"))
    made = Source(format="generated", name="mnli", train=50, dev=10)
    usual = Task("mnli", list(RELABEL), ["accuracy"], ["accuracy"], made)
    cache = str(tmp_path / "cache")
    assert splits(of_files)["train"].load(cache)["label"][:] == [1.0, 0.0, 1.0]
    before = splits(usual)["train"].load(cache)["label"][:]
    after = splits(task(made))["train"].load(cache)["label"][:]
    assert {0.0, 1.0, 2.0} == {*before}
    assert after == [min(label, 1.0) for label in before]


@pytest.mark.parametrize("make", ["generated", "files"])
def test_other_labels_are_other_rows(tmp_path: Path, make: str) -> None:
    """In another order too, which says what the numbers of generated rows mean."""
    (tmp_path / "train.csv").write_text("a,y\nx,neutral\n")
    source = {
        "generated": Source(format="generated", name="mnli", train=50, dev=10),
        "files": Source(path=str(tmp_path), text=["a"], label="y", dev="train.csv"),
    }[make]
    backwards = dict(reversed(RELABEL.items()))
    other = RELABEL | {"neutral": TWO[0]}
    keys = {splits(task(source, relabel=one))["train"].key for one in (RELABEL, backwards, other)}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"relabel": RELABEL | {"neutral": "maybe"}}, "'neutral' is read as 'maybe', and its"),
        ({"relabel": dict.fromkeys(RELABEL, TWO[0])}, "nothing is read as 'not_entailment'"),
        ({"relabel": {}}, "nothing is read as 'entailment'"),
        (
            {"kind": "regression", "labels": None, "metrics": ["spearman"], "score": ["spearman"]},
            r"^Change relabel of task 't' to null: it is of classifications\.$",
        ),
    ],
)
def test_what_reads_no_label_as_one_of_the_task_is_refused(
    more: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check_task(task(**more))


def test_mnli_becomes_rows_of_tasks_of_two_labels_whatever_their_order(compose: Compose) -> None:
    support = ("strategy=stilts", "support_task=mnli_relabelled")
    for target, labels in (("rte", [0.0, 1.0, 1.0]), ("wnli", [1.0, 0.0, 0.0])):
        experiment = build(compose(*support, f"target_task={target}"))
        (one,) = experiment.supports
        assert new_labels(one.task) == labels
        assert one.task.head == target
    with pytest.raises(UserError, match="and its labels are not_equivalent, equivalent"):
        build(compose(*support, "target_task=mrpc"))
