import numpy as np
import pandas as pd
import pytest

from tlbench.analysis.row_vectors import row_vectors
from tlbench.records.predictions import Saved

LABELS = np.array([0.0, 1.0] * 10)
SURE = np.linspace(0.6, 0.9, 20)  # of the second class, which is then predicted for all rows


def saved(of_second: np.ndarray) -> Saved:  # type: ignore[type-arg]
    probabilities = np.stack([1 - of_second, of_second], axis=1)
    return Saved(np.arange(20.0), LABELS, np.ones(20), probabilities=probabilities)


@pytest.mark.parametrize(
    ("metric", "constant"), [("auroc", {1}), ("accuracy", {0, 1}), ("accuracy+auroc", {0, 1})]
)
def test_a_run_that_predicts_one_class_is_not_constant_where_the_order_is_scored(
    metric: str, constant: set[int]
) -> None:
    both = {0: saved(SURE), 1: saved(np.full(20, 0.7))}
    right = {"auroc": 0.55, "accuracy": 0.5}  # of the rising ones 55 of 100 pairs
    rising = np.mean([right[name] for name in metric.split("+")])
    records = pd.DataFrame({"score": [rising, 0.5], "metric": metric, "dev_rows": 20})
    records = records.assign(target="t", target_rows=20, outcome="scored")
    records = records.assign(
        strategy="single", method="-", support="-", support_rows=0, seed=[0, 1]
    )
    (found,) = row_vectors(records, both).values()
    assert found.constant == constant
    assert set(found.by_run) == {0, 1}
