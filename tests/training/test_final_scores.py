"""What weights score on test rows is what an evaluation of their training would have said."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.experiments import Run, write_rows
from tlbench.records.record import ResultRecord
from tlbench.store.store import Store

LEARNS = ("optim.lr=1e-3", "trainer.max_steps=20", "eval_every=1")
BY_DEV = "selection=dev"  # whose score is one evaluation's
SUPPORTED = ("support_task=mnli", "subsample_size.support=64")


def columns(file: Path, split: str) -> dict[str, list[float]]:
    frame = pq.read_table(file).to_pandas().query(f"split == '{split}'")
    names = [n for n in frame if n in ("row", "label", "prediction") or n.startswith("logit_")]
    return {name: frame[name].tolist() for name in names}


def of_test_and_dev(record: ResultRecord, store: Store) -> list[dict[str, list[float]]]:
    stage = store.folder(record.stage_keys[-1])
    (test,) = (stage / "test").glob("rte-*/predictions/rte.parquet")
    return [columns(test, "test"), columns(stage / "predictions" / "rte.parquet", "dev")]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("strategy=mtl", *SUPPORTED),
        ("strategy=stilts", *SUPPORTED),
        ("strategy=mtl", *SUPPORTED, "heads=per_label_count"),
        ("selection=held_out",),
        ("fast_kernels=false", "eval_batch_size=3"),
        pytest.param(("trainer.devices=2",), marks=pytest.mark.slow),
    ],
)
def test_rows_of_dev_score_as_they_did_in_training_to_the_last_bit(
    run: Run, tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    record = run(write_rows(tmp_path, train=64, dev=60, test=60), *LEARNS, BY_DEV, *overrides)
    assert record.test is not None
    for name in ("score", "metrics", "majority_score", "collapsed"):
        assert record.test[name] == getattr(record, name)
    of_test, of_dev = of_test_and_dev(record, Store(tmp_path / "store"))
    assert of_test == of_dev
    assert len(set(of_test["logit_0"])) > 20


def test_all_test_rows_are_scored_however_few_of_dev_are(run: Run, tmp_path: Path) -> None:
    record = run(write_rows(tmp_path, train=64, dev=60, test=50), "subsample_size.dev=8")
    assert record.dev_rows == 8
    assert record.test is not None
    assert record.test["rows"] == 50
