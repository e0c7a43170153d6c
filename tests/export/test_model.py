"""A finished model predicts as its stage did when it was scored."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tlbench
from tests.export.test_export import dev_texts, exported
from tests.support.experiments import Run
from tlbench.errors import UserError
from tlbench.export.chosen import Chosen
from tlbench.export.load import load_model
from tlbench.export.model import TextClassifier


def stored(chosen: Chosen) -> pd.DataFrame:
    file = chosen.store.folder(chosen.key) / "predictions" / f"{chosen.task.name}.parquet"
    return pd.read_parquet(file).query("split == 'dev'").sort_values("row")


def dev(chosen: Chosen, cache: Path, rows: pd.DataFrame) -> list[str] | list[tuple[str, str]]:
    columns = dev_texts(chosen.task, cache)
    if len(columns) == 1:
        return [columns[0][row] for row in rows.row]
    return [(columns[0][row], columns[1][row]) for row in rows.row]


@pytest.mark.parametrize("target", ["rte", "cola"])
def test_labels_and_probabilities_are_those_of_the_stored_logits(
    run: Run, tmp_path: Path, cache: Path, target: str
) -> None:
    run(f"target_task={target}")
    chosen = exported(tmp_path)
    model, rows = tlbench.load_model(tmp_path / "model", "cpu"), stored(chosen)
    assert isinstance(model, TextClassifier)
    texts = dev(chosen, cache, rows)
    logits = rows[["logit_0", "logit_1"]].to_numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert model.probabilities(texts) == pytest.approx(expected, abs=1e-5)
    assert model.labels is not None
    assert model.predict(texts) == [model.labels[int(one)] for one in rows.prediction]
    assert model.kernels.features == "first_token"


def test_a_regression_predicts_numbers(run: Run, tmp_path: Path, cache: Path) -> None:
    run("target_task=stsb")
    chosen = exported(tmp_path)
    model, rows = load_model(tmp_path / "model", "cpu"), stored(chosen)
    texts = dev(chosen, cache, rows)
    assert model.predict(texts) == pytest.approx(rows.logit_0.tolist(), abs=1e-5)
    with pytest.raises(UserError, match="Use predict: 'stsb' is a regression"):
        model.probabilities(texts)


@pytest.fixture
def model(rte_model: Path) -> TextClassifier:
    loaded = load_model(rte_model / "model", "cpu")
    assert isinstance(loaded, TextClassifier)
    return loaded


def test_what_a_row_gets_depends_on_no_other(model: TextClassifier) -> None:
    texts = [
        ("short", "one"),
        ("a much longer text " * 9, "and another " * 9),
        ("", ""),
        ("é🙂", "x"),
    ]
    together = model.logits(texts)
    alone = np.concatenate([model.logits([pair]) for pair in texts])
    assert together == pytest.approx(alone, abs=1e-5)
    assert model.logits([]).shape == (0, 2)
    assert model.predict([]) == []


def test_many_rows_are_several_batches_in_the_order_of_the_rows(model: TextClassifier) -> None:
    texts = [(f"text {n} " * (n % 50), "other") for n in range(700)]
    together = model.logits(texts)
    some = np.concatenate([model.logits(texts[start : start + 7]) for start in range(0, 700, 7)])
    assert together == pytest.approx(some, abs=1e-5)


def test_as_many_texts_a_row_as_the_task_has(model: TextClassifier) -> None:
    with pytest.raises(UserError, match="Give 2 texts a row, as 'rte' has"):
        model.predict(["one"])


def test_in_bfloat16_logits_differ_a_little(model: TextClassifier, rte_model: Path) -> None:
    less_exact = load_model(rte_model / "model", "cpu", precision="bf16-true")
    texts = [(f"text {n} " * (n % 50), "other") for n in range(50)]
    exact, found = model.logits(texts), less_exact.logits(texts)  # type: ignore[attr-defined]
    assert 0 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
