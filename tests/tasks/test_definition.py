import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tlbench.config.schema import Source, Task
from tlbench.config.validation import checked
from tlbench.errors import UserError
from tlbench.tasks.class_loss import class_losses
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import KINDS

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "metrics.md").read_text()


def test_the_example_of_the_page_is_a_task() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    task: Task = checked(Task, OmegaConf.create(example), "target_task")
    check_task(task)
    assert (task.positive, task.loss.class_weights, task.loss.focal) == ("fraud", "balanced", 2.0)


def test_the_page_has_every_metric_and_the_formula_of_the_loss() -> None:
    table = PAGE.partition("## Metrics")[2].partition("- **")[0]
    for kind, of_kind in KINDS.items():
        begin = re.search(rf"^\| \[?{kind}\b", table, flags=re.MULTILINE)
        assert begin is not None, kind
        lines = re.split(r"\n(?=\| \[?\w)", table[begin.start() :])[0].splitlines()
        for name, metric in of_kind.metrics.items():
            (line,) = [line for line in lines if f"`{name}`" in line]
            assert ("not in a score" in line) == metric.less_is_better, name
    (formula,) = re.findall(r"^ +(\(1 - p_y\)\^g.*)$", PAGE, flags=re.MULTILINE)
    assert formula in str(class_losses.__doc__)


@pytest.mark.parametrize(
    ("labels", "metric"),
    [(["a", "b"], "log_loss"), (["a", "b"], "calibration_error"), (None, "mse")],
)
def test_what_less_of_is_better_is_reported_and_not_compared(
    labels: list[str] | None, metric: str
) -> None:
    other = "accuracy" if labels else "pearson"
    check_task(Task("t", labels, [other], [other, metric], Source("generated")))
    for score in ([metric], [other, metric]):
        with pytest.raises(
            UserError, match=f"Change score of task 't': less is better of '{metric}'"
        ):
            check_task(Task("t", labels, score, [other, metric], Source("generated")))


@pytest.mark.parametrize(
    ("labels", "positive", "message"),
    [
        (["a", "b"], "c", "Change positive of task 't': 'c' is not one of a, b"),
        (["a", "b", "c"], "a", "Change positive of task 't' to null: it chooses one of two"),
        (None, "a", "Change positive of task 't' to null: it is of classifications"),
    ],
)
def test_positive_is_one_of_two_labels(
    labels: list[str] | None, positive: str, message: str
) -> None:
    metric = ["accuracy" if labels else "pearson"]
    with pytest.raises(UserError, match=message):
        check_task(Task("t", labels, metric, metric, Source("generated"), positive=positive))


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"text": ["a", "y"], "label": "y"}, "text"),
        ({"text": ["y"], "label": "y"}, "text"),
        ({"template": ["{a} is {y}"], "label": "y"}, "template"),
    ],
)
def test_no_text_has_the_label(source: dict[str, Any], key: str) -> None:
    task = Task("t", ["m", "n"], ["accuracy"], ["accuracy"], Source("csv", **source))
    with pytest.raises(UserError, match=f"Change source.{key} of task 't': 'y' is the column of a"):
        check_task(task)
