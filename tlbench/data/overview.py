"""A look at a task's rows before they are trained on: what is there, and what is lost of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from datasets import Dataset

from tlbench.config.schema import Task
from tlbench.data.groups import counts_of, group_lines, small_groups
from tlbench.data.readers import Row
from tlbench.data.row_digests import column, row_digests
from tlbench.data.tokenization import token_counts
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.unlabelled import reads_unlabelled

MOST_NAMED = 4  # classes that a line counts one by one


def overview(rows: Dataset, split: TokenizedSplit, tokenizer: Any, cache_dir: str) -> Row:
    """Return what the used rows of a split are, in values that JSON has.

    Args:
        rows: of the whole split, with their texts.
        split: the same, tokenised.
        tokenizer: that did it.
        cache_dir: where digests of rows are kept.

    Returns:
        ``rows``; ``labels``, by class how many rows, or the ``lowest``, ``mean`` and ``highest``
        number, none of rows whose labels are not read; where rows have several labels
        ``unlabelled``, rows with none; of rows whose tokens are masked ``masked``, how many are in
        evaluation, and no ``labels``; of rows of words ``words`` and ``words_without_token``,
        which are not predicted; ``empty``, rows with a text of nothing but white space;
        ``duplicates``, rows whose texts an earlier one has, and ``contradictory``, those of them
        with another label; ``tokens`` that are used; ``cut``, rows cut at ``encoder.max_length``,
        and ``tokens_cut``, what they lose; ``looks_quoted``, whether all quotes in texts of train
        look like its file's; of a task with groups ``groups``, how many rows each has.
    """
    digests, used = row_digests(rows, cache_dir, f"{split.task.name} {split.split}"), split.used
    has_labels = split.kind.masks or not reads_unlabelled(split.task, split.split)
    labels = split.labels[used] if has_labels else np.zeros(len(used))
    answers = np.zeros(len(used)) if split.kind.masks else labels
    if split.kind.has_choices:
        answers = _right_choices(rows.select(used), labels)
    duplicates, contradictory = _duplicates(column(digests, "exact")[used], answers)
    # Of all rows of the file: a part of QQP's, which are quoted here and there, would look so.
    bare, quoted = (bool(column(digests, name).any()) for name in ("bare", "quoted"))
    source = split.task.source
    may_be = source.format in (None, "tsv") and source.quoting is None and split.split == "train"
    return {
        "rows": len(used),
        "labels": _labels(split.task, labels) if has_labels else {},
        **_of_kind(split, labels),
        "empty": int(column(digests, "empty")[used].sum()),
        "duplicates": duplicates,
        "contradictory": contradictory,
        **_tokens(rows, split, tokenizer),
        "looks_quoted": may_be and quoted and not bare,
        **({"groups": counts_of(split.groups)} if split.groups else {}),
    }


def _labels(task: Task, labels: Any) -> dict[str, float]:
    if kind_of(task).masks:
        return {}
    if task.labels is None:
        numbers = (labels.min(), labels.mean(), labels.max())
        return dict(zip(("lowest", "mean", "highest"), map(float, numbers), strict=True))
    if kind_of(task).reads_words:
        labels = labels[labels >= 0]
    if labels.ndim == 2:
        counts = labels.sum(axis=0).astype(int)
    else:
        counts = np.bincount(labels.astype(np.int64), minlength=len(task.labels))
    if not kind_of(task).merges:
        return dict(zip(task.labels, counts.tolist(), strict=True))
    # By what is written, as a split has it that does not tell all labels apart.
    written = task.source.values or []
    return {name: int(counts[written.index(name)]) for name in dict.fromkeys(written)}


def _of_kind(split: TokenizedSplit, labels: Any) -> dict[str, int]:
    """Return what is counted of rows with several labels, of words, or whose tokens are masked."""
    if split.kind.reads_words:
        there = labels >= 0
        no_token = there & (split.words[split.used] < 0)
        return {"words": int(there.sum()), "words_without_token": int(no_token.sum())}
    if split.kind.masks:
        return {"masked": int((labels >= 0).sum())}
    return {"unlabelled": int((~labels.any(axis=1)).sum())} if labels.ndim == 2 else {}


def _right_choices(rows: Dataset, labels: Any) -> Any:
    """Return a number for the text of each row's right choice: its place may be another."""
    of_rows = zip(rows["choices"], labels.astype(int), strict=True)
    return np.unique([choices[place] for choices, place in of_rows], return_inverse=True)[1]


def _duplicates(digests: Any, labels: Any) -> tuple[int, int]:
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    later = first[group] != np.arange(len(digests))
    others = (labels != labels[first[group]]).reshape(len(labels), -1).any(axis=1)
    return int(later.sum()), int(others.sum())


def _tokens(rows: Dataset, split: TokenizedSplit, tokenizer: Any) -> dict[str, int]:
    lengths = split.sequence_lengths
    longest = int(lengths.max())
    # Some of them may have just as many.
    full = split.used[(lengths == longest).any(axis=1)]
    lost = np.maximum(token_counts(rows.select(full), tokenizer) - longest, 0)
    return {
        "tokens": int(lengths.sum()),
        "cut": int(lost.any(axis=1).sum()),
        "tokens_cut": int(lost.sum()),
    }


def lines(task: str, split: str, seen: Mapping[str, Any]) -> list[str]:
    """Return an overview in two lines, and one of groups where there are any."""
    duplicates = f"{_count(seen['duplicates'], 'duplicate')}"
    if seen["contradictory"]:
        duplicates += f" ({seen['contradictory']:,} with another label)"
    whole = seen["tokens"] + seen["tokens_cut"]
    lost = f"{seen['tokens_cut'] / whole:.1%} of all tokens"
    cut = f"{_count(seen['cut'], 'row')} cut, which loses {lost}"
    return [
        f"{task} {split}: {seen['rows']:,} rows; {_labels_in_words(seen)}",
        f"{task} {split}: {duplicates}, {seen['empty']:,} with an empty text; "
        + (cut if seen["cut"] else "no row cut"),
        *group_lines(task, split, seen.get("groups", {})),
    ]


def _labels_in_words(seen: Mapping[str, Any]) -> str:
    if "masked" in seen:
        return f"{seen['masked']:,} tokens to mask at a time"
    if not seen["labels"]:
        return "without labels"
    if "words" in seen:
        lost = seen["words_without_token"]
        said = f"{_classes(seen['labels'], 'tags')}; {seen['words']:,} words"
        return said + (f", {lost:,} of them cut off or empty: not predicted" if lost else "")
    if "unlabelled" in seen:
        return f"{_classes(seen['labels'], 'labels')}; {seen['unlabelled']:,} without a label"
    return _classes(seen["labels"], "classes")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_number(labels: Mapping[str, float]) -> bool:
    """Whether an overview's ``labels`` are those of a regression."""
    return list(labels) == ["lowest", "mean", "highest"]


def _classes(labels: Mapping[str, float], noun: str) -> str:
    if is_number(labels):
        lowest, mean, highest = labels.values()
        return f"numbers from {lowest:g} to {highest:g}, mean {mean:g}"
    if len(labels) <= MOST_NAMED:
        return ", ".join(f"{name} {count:,}" for name, count in labels.items())
    absent = [name for name, count in labels.items() if not count]
    rarest = min((name for name in labels if labels[name]), key=lambda name: labels[name])
    said = f"{len(labels)} {noun}, the rarest '{rarest}' with {labels[rarest]:,}"
    if absent:
        named = ", ".join(absent[:MOST_NAMED]) + (", ..." if len(absent) > MOST_NAMED else "")
        said += f"; {len(absent)} without a row: {named}"
    return said


def warnings(task: str, split: str, seen: Mapping[str, Any]) -> list[str]:
    """Return what a person should look at before training."""
    said = []
    if seen["looks_quoted"]:
        said.append(
            f"{task} {split}: its texts look quoted, as pandas writes a TSV; source.quoting=true "
            "takes the quotes off"
        )
    absent = [name for name, count in seen["labels"].items() if count == 0]
    if absent and not is_number(seen["labels"]):
        said.append(f"{task} {split}: no row has the label {', '.join(absent[:MOST_NAMED])}")
    return said + small_groups(task, split, seen.get("groups", {}))
