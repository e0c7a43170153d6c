"""The model card of an exported model: what it is, what it scores, how it was made."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tlbench.console import points
from tlbench.data.row_texts import choice_columns
from tlbench.data.split import text_columns, text_count
from tlbench.export.chosen import Chosen
from tlbench.records.definitions import PARTS, label_of
from tlbench.records.places import without_places
from tlbench.records.record import ResultRecord
from tlbench.tasks.base import TaskKind
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.multilabel import Multilabel

# What decides a stage's result and names no place on this machine.
_SETTINGS = (
    "encoder",
    "strategy",
    "subsample_size",
    "sampling",
    *PARTS,
    "optim",
    "trainer",
    "heads",
    "batch_size",
    "eval_every",
    "selection",
    "seed",
)
_SELECTIONS = {
    "dev": "Dev chose the weights and reports the scores, which are too high for it.",
    "cross_fit": "The weights are those best on all of dev; each half's rows of the score were "
    "chosen by the other half.",
    "held_out": "A tenth of train chose the weights; dev only reports.",
}


def card(chosen: Chosen, entry: Mapping[str, Any], place: str, plain: bool) -> ModelCard:
    """Return the card.

    Args:
        chosen: what is exported.
        entry: what the stage's manifest says of the task.
        place: where the model is, as the examples have it: a folder, or a name on the hub.
        plain: whether transformers loads it without code of ours.
    """
    record, task, kind = chosen.record, chosen.task, kind_of(chosen.task)
    columns = text_columns(task)
    pipeline = "token-classification" if kind.reads_words else "text-classification"
    if choices := choice_columns(task):
        pipeline = "multiple-choice"
    scores = _scores(chosen, entry)
    data = ModelCardData(
        model_name=place.rsplit("/", 1)[-1],
        base_model=_base_model(record),
        library_name="transformers",
        pipeline_tag=pipeline,
        tags=["tlbench", record.strategy],
        eval_results=[
            EvalResult(
                task_type=pipeline,
                dataset_type=task.name,
                dataset_name=task.name,
                dataset_split=row["split"],
                metric_type=row["metric"],
                metric_value=row["raw"],
            )
            for row in scores
            if row["split"] in ("dev", "test")
        ],
    )
    two = text_count(task) == 2
    made: ModelCard = ModelCard.from_template(
        data,
        template_str=files("tlbench").joinpath("assets/model_card.md.j2").read_text("utf-8"),
        title=f"{task.name}: {label_of(record)}{_with_supports(record)}",
        summary=_summary(chosen),
        place=place,
        plain=plain,
        example='{"text": "...", "text_pair": "..."}' if two else '"..."',
        columns=" and ".join(f"`{name}`" for name in (*columns, *choices)),
        labels=task.labels,
        threshold=kind.threshold if isinstance(kind, Multilabel) else None,
        pipeline=pipeline,
        texts=_texts(kind, two),
        max_length=record.config["encoder"]["max_length"],
        scores=scores,
        selection=_SELECTIONS[str(record.config.get("selection", "dev"))],
        how=chosen.how,
        verdict=[*chosen.mixed, *(chosen.advice.sentences if chosen.advice else [])],
        strategy=label_of(record) + _with_supports(record),
        stages=[_stage(stage) for stage in record.stages],
        digests=_digests(record),
        versions=", ".join(f"{name} {version}" for name, version in record.versions.items()),
        settings=yaml.safe_dump(_settings(record), sort_keys=False).rstrip(),
    )
    return made


def _texts(kind: TaskKind, two: bool) -> str:
    if kind.sequences > 1:
        return f"{kind.sequences} choices after one"
    return "words" if kind.reads_words else "two" if two else "one"


def _settings(record: ResultRecord) -> dict[str, Any]:
    """Return what decides the result, without a folder of this machine."""
    config = without_places(record).config
    kept = {name: config[name] for name in _SETTINGS if name in config}
    return kept


def _summary(chosen: Chosen) -> str:
    record, task = chosen.record, chosen.task
    does = (
        "gives a number for" if task.labels is None else f"says one of {len(task.labels)} labels of"
    )
    kind = kind_of(task)
    if isinstance(kind, Multilabel):
        does = f"says which of {kind.outputs} labels are those of"
    if kind.sequences > 1:
        does = f"says which of {kind.sequences} choices is right of"
    if kind.reads_words:
        does = f"says one of {kind.outputs} tags of each word of"
    return (
        f"A model that {does} each row of `{task.name}`, fine-tuned from "
        f"`{without_places(record).encoder}` by [tlbench](https://pypi.org/project/tlbench)."
    )


def _with_supports(record: ResultRecord) -> str:
    return f" with {', '.join(record.support_tasks)}" if record.support_tasks else ""


def _base_model(record: ResultRecord) -> str | None:
    """Return the encoder's name on the hub; None if it is a folder or in a package."""
    name = str(record.config["encoder"]["name"])
    kind = (record.encoder_identity or "").partition(":")[0]
    return name if kind == "commit" else None


def _scores(chosen: Chosen, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the table of scores: of dev, the majority class's, and of test."""
    task, test = chosen.task, chosen.record.test or {}
    mean = " + ".join(task.score)
    rows = [_score("dev", mean, entry["score"])]
    if (fit := entry.get("cross_fit")) is not None:
        rows.append(_score("dev, cross-fitted", mean, fit["score"]))
    rows.append(_score("dev, majority class", mean, entry["majority_score"]))
    if test and task.name == chosen.record.target_task:
        rows.append(_score("test", mean, test.get("score")))
    return [row for row in rows if row["raw"] is not None]


def _score(split: str, metric: str, value: float | None) -> dict[str, Any]:
    raw = None if value is None else round(value, 6)
    return {"split": split, "metric": metric, "raw": raw, "value": points(value)}


def _stage(stage: Mapping[str, Any]) -> dict[str, str]:
    rows = ", ".join(f"{name} {count:,}" for name, count in stage["train_rows"].items())
    return {
        "title": stage["title"],
        "rows": rows,
        "steps": f"{stage['steps']:,}",
        "instances": f"{stage['instances']:,}",
        "minutes": f"{stage['seconds'] / 60:.1f}",
    }


def _digests(record: ResultRecord) -> Sequence[dict[str, str]]:
    return [
        {"task": task, "split": split, "digest": digest[:16]}
        for task, splits in record.digests.items()
        for split, digest in splits.items()
    ]
