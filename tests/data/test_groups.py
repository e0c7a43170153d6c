"""The group of a row, and what is refused of groups."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from tests.support.experiments import Compose, write_users_task
from tlbench.config.schema import Source, Task
from tlbench.data.groups import IN_GROUP, check_groups, counts_of, groups_of, small_groups
from tlbench.data.parsing import usable_rows
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.plan.build import build

LABELS = ["bad", "good"]


def task(*groups: str, **more: Any) -> Task:
    source = Source("csv", text=["words"], label="verdict", values=["0", "1"])
    return Task("mine", LABELS, ["accuracy"], ["accuracy"], source, groups=[*groups], **more)


def group(row: dict[str, Any], *groups: str, **more: Any) -> str:
    found: str
    (usable,) = usable_rows(task(*groups, **more), "x.csv, line", [(2, row)])
    found = usable[IN_GROUP]
    return found


ROW = {"words": "No way", "verdict": "1", "dialect": " scots", "age": 41, "#1": "x"}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["dialect"], "scots"),
        (["label"], "good"),
        (["verdict"], "1"),
        (["dialect", "label"], "scots, good"),
        (["'old' if age > 40 else 'young'", "text_a"], "old, No way"),
        (["'negated' if has_word(words, 'no') else 'plain'"], "negated"),
        (["column('#1')"], "x"),
        (["age"], "41"),
    ],
)
def test_columns_and_expressions_are_crossed(groups: list[str], expected: str) -> None:
    assert group(ROW, *groups) == expected


def test_labels_are_called_by_their_names() -> None:
    number = replace(task("'high' if label > 2 else 'low'"), labels=None)
    number.source.values = None
    rows = usable_rows(number, "x.csv, line", [(2, {"words": "a", "verdict": "3.5"})])
    assert [row[IN_GROUP] for row in rows] == ["high"]
    several = task("'bad' if 'bad' in label else 'other'", kind="multilabel")
    several.source.values = None
    rows = usable_rows(several, "x, line", [(1, {"words": "a", "verdict": ["bad", "good"]})])
    assert [row[IN_GROUP] for row in rows] == ["bad"]


def test_a_row_without_a_label_of_the_task_is_in_no_group() -> None:
    one = task("label", "words")
    one.source.label, one.source.values = {"mine": "verdict", "other": "b"}, None
    rows = [{"words": "a", "verdict": "", "b": "x"}, {"words": "a", "verdict": "good", "b": ""}]
    usable = [*usable_rows(one, "x.csv, line", enumerate(rows))]
    assert [row[IN_GROUP] for row in usable] == ["", "good, a"]
    groups = groups_of(Dataset.from_list(usable), np.arange(2))
    assert {name: mask.tolist() for name, mask in groups.items()} == {"good, a": [False, True]}
    check_groups(one, {"dev": Dataset.from_list(usable)}, {"dev": np.array([1])})


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["dialekt"], "it can't be computed of x.csv, line 2 .'dialekt' is not defined"),
        (["column('b')"], "it can't be computed of x.csv, line 2 .there is no column 'b'"),
        (["label +"], "it can't be read"),
        (["label", "empty"], "x.csv, line 2 is in none, as empty is empty there"),
    ],
)
def test_what_gives_no_group_is_one_sentence(groups: list[str], message: str) -> None:
    with pytest.raises(UserError, match=f"^Change groups of task 'mine': {message}"):
        group({**ROW, "empty": None}, *groups)


def test_which_of_the_used_rows_are_in_a_group() -> None:
    rows = Dataset.from_dict({IN_GROUP: ["b", "a", "b", "c"]})
    groups = groups_of(rows, np.array([0, 1, 2]))
    assert {name: mask.tolist() for name, mask in groups.items()} == {
        "a": [False, True, False],
        "b": [True, False, True],
    }
    assert counts_of(groups) == {"a": 1, "b": 2}
    assert groups_of(Dataset.from_dict({"label": [1.0]}), np.array([0])) == {}


def test_a_group_without_scored_rows_is_refused_by_its_name() -> None:
    rows = {
        "train": Dataset.from_dict({IN_GROUP: ["a", "b", "c"]}),
        "dev": Dataset.from_dict({IN_GROUP: ["a", "b", "c"]}),
    }
    check_groups(task("x"), rows, {"dev": np.arange(3)})
    with pytest.raises(UserError) as refused:
        check_groups(task("x"), rows, {"dev": np.arange(2)})
    assert str(refused.value) == (
        "Change subsample_size.dev, or groups of task 'mine': none of the 2 rows of dev is in the "
        "group 'c', which dev has."
    )
    with pytest.raises(UserError, match=r"^Change source\.test, or groups of task 'mine': "):
        check_groups(task("x"), {**rows, "test": rows["dev"]}, {"test": np.arange(1)})


def test_groups_of_few_rows_are_named_before_they_are_scored() -> None:
    (said,) = small_groups("t", "dev", {"a": 24, "b": 25})
    assert said.startswith("t dev: groups of few rows (a 24): ")
    assert small_groups("t", "dev", {"b": 25}) == small_groups("t", "train", {"a": 1}) == []


def test_other_groups_are_other_rows_and_none_are_those_of_before(compose: Compose) -> None:
    config = build(compose("target_task=mnli")).config
    without = splits(config.target_task)["dev"]
    of_label = splits(replace(config.target_task, groups=["label"]))["dev"]
    crossed = splits(replace(config.target_task, groups=["label", "text_b"]))["dev"]
    assert len({without.key, of_label.key, crossed.key}) == 3
    assert IN_GROUP not in without.load(config.cache_dir).column_names
    assert set(of_label.load(config.cache_dir)[IN_GROUP]) == {*(config.target_task.labels or ())}


def test_too_few_dev_rows_for_all_groups_are_refused_before_any_training(
    compose: Compose,
) -> None:
    with pytest.raises(UserError, match=r"^Change subsample_size\.dev, or groups of task 'mnli_"):
        build(compose("target_task=mnli_negation", "subsample_size.dev=12"))


def test_an_unknown_column_ends_a_command_in_a_sentence(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    write_users_task(tmp_path, "worst_group_accuracy")
    file = tmp_path / "my_conf" / "target_task" / "mine.yaml"
    said = file.read_text().replace("[macro_f1,", "[worst_group_accuracy,")
    few = ("subsample_size.target=20", "subsample_size.dev=20")
    arguments = ("--config-dir", "my_conf", "target_task=mine", "debug=fast", *few)
    file.write_text(said)
    lacks = command(*arguments)
    assert (lacks.returncode, lacks.stderr) == (
        1,
        "Add groups to task 'mine', or change its metrics: worst_group_accuracy is of groups.\n",
    )
    file.write_text(said + "groups: speaker\n")
    unknown = command(*arguments)
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("Change groups of task 'mine': it can't be computed of ")
    assert "'speaker' is not defined" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    for split in ("train", "dev"):
        data = tmp_path / "data" / f"{split}.jsonl"
        rows = [json.loads(line) for line in data.read_text().splitlines()]
        lines = [json.dumps({**row, "speaker": "ab"[i < 5]}) for i, row in enumerate(rows)]
        data.write_text("\n".join(lines))
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert "mine dev: rows of groups: a 15; b 5" in done.stdout + done.stderr
