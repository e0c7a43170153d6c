"""An exported folder is the stage that a record names, as plain transformers loads it."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tests.support.experiments import Run
from tlbench.config.schema import Task
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.export.chosen import Chosen, of_record
from tlbench.export.export import export, has_weights
from tlbench.records.record import ResultRecord, read_record

MTL = ("strategy=mtl", "support_task=mnli", "keep_weights=all")


def exported(folder: Path, task: str | None = None) -> Chosen:
    chosen = of_record(folder / "job", task)
    export(chosen, folder / "model")
    return chosen


def logits_of(model: Path, texts: list[list[str]]) -> torch.Tensor:
    """What plain transformers says of rows."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForSequenceClassification.from_pretrained(model).eval()
    inputs = tokenizer(*texts, truncation=True, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits: torch.Tensor = loaded(**inputs).logits
    return logits


def dev_texts(task: Task, cache: Path) -> list[list[str]]:
    rows = splits(task)["dev"].load(str(cache))
    return [list(rows[name]) for name in ("text_a", "text_b") if name in rows.column_names]


@pytest.mark.parametrize(
    ("overrides", "task"),
    [
        (("target_task=rte",), None),
        (("target_task=rte", *MTL), None),
        (("target_task=rte", *MTL), "mnli"),
        (("target_task=rte", *MTL, "heads=per_label_count"), None),
        (("target_task=cola", "strategy=stilts", "support_task=sst2", "keep_weights=all"), None),
        (("target_task=stsb",), None),
    ],
    ids=["single", "mtl", "the support of mtl", "heads per label count", "stilts", "regression"],
)
def test_the_logits_of_dev_are_the_stored_ones(
    run: Run, tmp_path: Path, cache: Path, overrides: tuple[str, ...], task: str | None
) -> None:
    record = run(*overrides)
    chosen = exported(tmp_path, task)
    file = chosen.store.folder(chosen.key) / "predictions" / f"{chosen.task.name}.parquet"
    stored = pd.read_parquet(file).query("split == 'dev'").sort_values("row")
    drawn = [[column[row] for row in stored.row] for column in dev_texts(chosen.task, cache)]
    logits = logits_of(tmp_path / "model", drawn)
    columns = [name for name in stored if name.startswith("logit_")]
    expected = torch.tensor(stored[columns].to_numpy())
    assert len(stored) == 64
    assert (logits - expected).abs().max() < 1e-5
    assert record.status == "done"


def test_a_pipeline_says_the_labels_by_name(rte_model: Path, cache: Path) -> None:
    (first, second) = dev_texts(of_record(rte_model / "job").task, cache)
    classify = pipeline("text-classification", model=str(rte_model / "model"), device="cpu")
    said = classify([{"text": a, "text_pair": b} for a, b in zip(first, second, strict=True)][:8])
    assert {one["label"] for one in said} <= {"entailment", "not_entailment"}
    assert all(0.5 <= one["score"] <= 1 for one in said)


def test_the_tokenizer_cuts_where_training_did(run: Run, tmp_path: Path) -> None:
    run("target_task=rte", "encoder.max_length=12")
    exported(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert len(tokenizer("word " * 50, truncation=True).input_ids) == 12


def test_the_card_says_what_it_is_and_what_it_scores(run: Run, tmp_path: Path) -> None:
    record = run("target_task=rte", *MTL, "suite.sources.rte.test=40")
    exported(tmp_path)
    card = ModelCard.load(tmp_path / "model" / "README.md")
    results = {r.dataset_split: r.metric_value for r in card.data.eval_results or []}
    assert record.test is not None
    assert results == pytest.approx({"dev": record.score, "test": record.test["score"]}, abs=1e-6)
    assert "MTL with mnli" in card.text
    assert "| mnli+rte | mnli 64, rte 64 |" in card.text
    assert str(tmp_path) not in card.content


def test_the_manifest_names_no_folder_of_this_machine(rte_model: Path) -> None:
    text = (rte_model / "model" / "tlbench.json").read_text()
    assert json.loads(text)["stage"] == of_record(rte_model / "job").key
    assert json.loads(text)["task"]["labels"] == ["entailment", "not_entailment"]
    assert str(rte_model) not in text


def test_what_is_there_is_not_written_over(rte_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").touch()
    with pytest.raises(UserError, match=r"Change --out: .*model is there already\."):
        export(of_record(rte_model / "job"), tmp_path / "model")
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["mine.txt"]


def test_a_failed_export_leaves_nothing(run: Run, tmp_path: Path) -> None:
    run("target_task=rte")
    chosen = of_record(tmp_path / "job")
    (chosen.store.weights(chosen.key, "rte") / "tokenizer.json").unlink()
    assert not has_weights(chosen)
    with pytest.raises(UserError, match="the store has no weights of rte"):
        export(chosen, tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "store"]


def test_weights_that_were_not_kept_are_not_there(run: Run, tmp_path: Path) -> None:
    run("target_task=rte", "strategy=mtl", "support_task=mnli")
    assert not has_weights(of_record(tmp_path / "job"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "diverged", "error": "it has diverged"}, "is diverged: it has diverged"),
        ({"stage_keys": [], "stages": []}, "Give another record: "),
    ],
)
def test_a_record_of_no_good_training_is_refused(
    rte_model: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    known = read_record(rte_model / "job" / "result.json")
    record: ResultRecord = replace(known, **changes)  # type: ignore[arg-type]
    record.write(tmp_path / "other")
    with pytest.raises(UserError, match=message):
        of_record(tmp_path / "other")


def test_a_task_that_the_stage_does_not_train_is_refused(run: Run, tmp_path: Path) -> None:
    run("target_task=rte", *MTL)
    with pytest.raises(UserError, match=r"Change --task: 'qnli' is none of .*\(mnli, rte\)"):
        of_record(tmp_path / "job", "qnli")
