"""A GLUE-shaped suite made from a seed: tasks over one small grammar and lexicon."""

import zlib
from collections.abc import Iterator, Mapping
from itertools import islice
from random import Random
from typing import Any

from tlbench.data.generated import tasks
from tlbench.errors import UserError

VERSION = 1  # raise when rows change: it is part of every generated split's digest
_TRIES = 100  # rows made for each test row, of which all may be dev rows
MOST_ROWS = 10**6  # of a split, half an hour's work: more is a typing error that fills the disk

TEXTS = {
    "cola": 1,
    "sst2": 1,
    "mrpc": 2,
    "stsb": 2,
    "qqp": 2,
    "mnli": 2,
    "qnli": 2,
    "rte": 2,
    "wnli": 2,
    "topics": 1,  # beyond GLUE: several labels a row
    "mentions": 1,  # a label for each word
    "causes": 1,  # and three choices
}
OF_WORDS = ("mentions",)


def rows(task: str, split: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield ``count`` rows of a split: ``text_a``, for pairs ``text_b`` or ``choices``, ``label``.

    A text (or pair) belongs to train or to the dev splits by its checksum, so no dev row is ever
    trained on, whatever the sizes. More rows with one seed begin with the fewer.

    Args:
        task: one of ``TEXTS``.
        split: ``train``, ``dev`` or ``dev_<genre>``.
        count: of rows.
        seed: of the suite.
    """
    rng = Random(f"{task} {split} {seed}")
    generate = getattr(tasks, task)
    yielded = 0
    while yielded < count:
        text_a, more, label = generate(rng, split.removeprefix("dev_"))
        # By checksum, not at random: the same text may be generated for both splits.
        others = sorted(more) if isinstance(more, list) else more
        in_dev = zlib.crc32(f"{text_a}\t{others}".encode()) % 8 == 0
        if in_dev == (split != "train"):
            yielded += 1
            words = {"words": text_a.split()} if task in OF_WORDS else {}
            after = {("choices" if isinstance(more, list) else "text_b"): more} if more else {}
            yield {"text_a": text_a, **after, **words, "label": label}


def unseen_rows(
    task: str, count: int, seed: int, dev: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """Yield ``count`` rows like those of dev, with texts that no dev split has, nor train.

    Args:
        task, count, seed: as ``rows`` has them.
        dev: by name, how many rows the dev splits have.

    Raises:
        UserError: if there are not so many.
    """
    in_dev = {_texts(row) for name, n in dev.items() for row in rows(task, name, n, seed)}
    candidates = rows(task, "test", count * _TRIES, seed)
    unseen = list(islice((row for row in candidates if _texts(row) not in in_dev), count))
    if len(unseen) < count:
        raise UserError(
            f"the generated suite has {len(unseen)} rows, not {count}, that are in no dev split."
        )
    yield from unseen


def _texts(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["text_a"], row.get("text_b"), *sorted(row.get("choices", ()))
