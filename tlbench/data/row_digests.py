"""What the texts of a row are known by, for finding the same ones again in other rows."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from tlbench import progress
from tlbench.data.cache import cached
from tlbench.data.division import normalised

Digests = NDArray[np.int64]
_VERSION = 1
_END = "\x1f"  # of a text, so that ("ab", "c") is not ("a", "bc")


def row_digests(rows: Dataset, cache_dir: str, title: str = "rows") -> Dataset:
    """Return columns that tell rows with the same texts, made once per rows.

    A pair counts as the same in either order, and so do choices.

    Args:
        rows: with ``text_a``, and ``text_b`` where there are two texts, or ``choices``.
        cache_dir: where the result is kept.
        title: what a person calls the rows.

    Returns:
        ``exact`` and ``normalised`` (case and punctuation aside), 64 bits each; ``empty``, whether
        a text is nothing but white space; ``quoted`` and ``bare``, whether a text is quoted as a
        CSV's writer does, with its quotes doubled, or has quotes that such a writer had doubled.

    Raises:
        UserError: if ``cache_dir`` can't be written.
    """
    texts = [name for name in ("text_a", "text_b") if name in rows.column_names]
    identity = f"{rows._fingerprint} row digests {_VERSION}"
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:32]

    def columns(batch: Mapping[str, Any], indices: Sequence[int]) -> dict[str, list[Any]]:
        progress.note(steps=len(rows))
        progress.at(indices[-1] + 1)
        choices = batch.get("choices", [()] * len(indices))
        of_rows = zip(*(batch[name] for name in texts), choices, strict=True)
        return _columns([(*of_row, *of_choices) for *of_row, of_choices in of_rows])

    def make() -> Dataset:
        return rows.map(
            columns,
            batched=True,
            with_indices=True,
            remove_columns=rows.column_names,
            new_fingerprint=fingerprint,
        )

    return cached(make, cache_dir, fingerprint, True, f"looking for the same rows in {title}")


def _columns(rows: Sequence[tuple[str, ...]]) -> dict[str, list[Any]]:
    return {
        "exact": [_digest(texts) for texts in rows],
        "normalised": [normalised_digest(texts) for texts in rows],
        "empty": [any(not text.strip() for text in texts) for texts in rows],
        "quoted": [any('""' in text and _is_quoted(text) for text in texts) for texts in rows],
        "bare": [any('"' in text and not _is_quoted(text) for text in texts) for texts in rows],
    }


def normalised_digest(texts: Sequence[str]) -> int:
    """Return what a row's texts are known by, case and punctuation aside; see ``row_digests``."""
    return _digest([normalised(text) for text in texts])


def _digest(texts: Sequence[str]) -> int:
    # A byte that only UTF-8's surrogates need can't come from a file; texts are checked for them.
    content = _END.join(sorted(texts)).encode()
    digest = hashlib.blake2b(content, digest_size=8, usedforsecurity=False).digest()
    return int.from_bytes(digest, "big", signed=True)


def _is_quoted(text: str) -> bool:
    inside = text[1:-1].replace('""', "")
    return len(text) > 1 and text[0] == text[-1] == '"' and '"' not in inside


def column(digests: Dataset, name: str) -> NDArray[Any]:
    """Return a column of ``row_digests``, (rows,)."""
    return np.asarray(digests.data.column(name).to_numpy(zero_copy_only=False))
