"""Tokenised rows, made once per rows, tokenizer and length; and their tensors."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from tlbench import progress
from tlbench.data.cache import cached
from tlbench.data.masking import VERSION, Masking


def tokenise(
    rows: Dataset,
    tokenizer: Any,
    max_length: int,
    cache_dir: str,
    title: str = "rows",
    masks: bool = False,
) -> Dataset:
    """Return ``input_ids`` (and ``token_type_ids``) and ``label`` of all rows, cached by content.

    Of rows of words ``words`` too: see ``tokens_of_words``; of rows of choices each is a list of
    those of the choices: see ``tokens_of_choices``. Where tokens are masked, ``words`` is where
    they are in evaluation, and ``label`` what they are; ``input_ids`` are as without.

    Args:
        rows: with ``text_a``, ``text_b`` where there are two texts, ``words`` where each of them
            has a label, ``choices`` where one of them is right, and ``label``.
        tokenizer: a fast one, of transformers.
        max_length: tokens at which a row is truncated.
        cache_dir: where the result is kept.
        title: what a person calls the rows.
        masks: whether the rows are of a task whose kind masks tokens.

    Raises:
        UserError: if ``cache_dir`` can't be written, or there is no token that masks.
    """
    texts = [name for name in ("text_a", "text_b", "choices") if name in rows.column_names]
    has_words = "words" in rows.column_names
    tokenizer = for_words(tokenizer) if has_words else tokenizer
    masking = Masking(tokenizer) if masks else None
    fingerprint = _fingerprint(rows, tokenizer, max_length, masks)

    def tokens(batch: Mapping[str, Any], indices: Sequence[int]) -> Any:
        progress.note(steps=len(rows))
        progress.at(indices[-1] + 1)
        if has_words:
            return tokens_of_words(tokenizer, batch["words"], max_length)
        if "choices" in texts:
            rows_of_choices = list(zip(batch["text_a"], batch["choices"], strict=True))
            return tokens_of_choices(tokenizer, rows_of_choices, max_length)
        of_texts = (batch[name] for name in texts)
        encoded = tokenizer(*of_texts, truncation=True, max_length=max_length)
        if masking is None:
            return encoded
        masked = masking.rows(encoded["input_ids"], indices)
        return {**encoded, "words": masked.places, "label": masked.labels}

    def make() -> Dataset:
        return rows.map(
            tokens,
            batched=True,
            with_indices=True,
            remove_columns=texts,
            new_fingerprint=fingerprint,
        )

    return cached(make, cache_dir, fingerprint, True, f"tokenising {title}")


def tokens_of_words(
    tokenizer: Any, rows: Sequence[Sequence[str]], max_length: int
) -> dict[str, list[Any]]:
    """Return the tokens of rows of words, as a tokenizer does; and where words begin in them.

    Args:
        tokenizer: one ``for_words``.
        rows: of each its words.
        max_length: tokens at which a row is truncated.

    Returns:
        What the encoder takes, and ``words``: of every word of a row the place of its first token,
        -1 where it has none, as it was cut off or holds nothing that the tokenizer knows.
    """
    encoded = tokenizer(
        [list(words) for words in rows],
        is_split_into_words=True,
        truncation=True,
        max_length=max_length,
    )
    places = []
    for number, words in enumerate(rows):
        firsts = [-1] * len(words)
        for place, word in reversed([*enumerate(encoded.word_ids(number))]):
            if word is not None:
                firsts[word] = place
        places.append(firsts)
    return {**encoded, "words": places}


def tokens_of_choices(
    tokenizer: Any, rows: Sequence[tuple[str, Sequence[str]]], max_length: int | None
) -> dict[str, list[list[list[int]]]]:
    """Return the tokens of rows of choices: of every row, of every choice, its pair's.

    Args:
        tokenizer: of transformers.
        rows: of each its context and its choices; a choice is read as the second text after it.
        max_length: tokens at which a pair is truncated; None: none is.
    """
    contexts = [context for context, choices in rows for _ in choices]
    endings = [choice for _, choices in rows for choice in choices]
    is_cut = max_length is not None
    encoded = tokenizer(contexts, endings, truncation=is_cut, max_length=max_length, verbose=False)
    ends = [0, *accumulate(len(choices) for _, choices in rows)]
    return {name: [ids[a:b] for a, b in pairwise(ends)] for name, ids in encoded.items()}


def for_words(tokenizer: Any) -> Any:
    """Return a tokenizer that takes a word for one that has a blank before it, as in a text.

    Those of bytes (RoBERTa's, ModernBERT's) have other tokens for a word with a blank and without;
    of a list of words they would know none by the tokens that texts have for it.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    before = backend.get("pre_tokenizer") or {}
    steps = [
        step for step in before.get("pretokenizers", [before]) if step.get("type") == "ByteLevel"
    ]
    if all(step["add_prefix_space"] for step in steps):
        return tokenizer
    for step in steps:
        step["add_prefix_space"] = True
    changed = deepcopy(tokenizer)
    changed.backend_tokenizer.pre_tokenizer = Tokenizer.from_str(json.dumps(backend)).pre_tokenizer
    changed.add_prefix_space = True
    changed.init_kwargs["add_prefix_space"] = True
    return changed


def token_counts(rows: Dataset, tokenizer: Any) -> NDArray[np.int64]:
    """Return how many tokens the sequences of each row would have uncut, (rows, sequences)."""
    if "choices" in rows.column_names:
        pairs = list(zip(rows["text_a"], rows["choices"], strict=True))
        uncut = tokens_of_choices(tokenizer, pairs, None)["input_ids"]
        return np.array([[len(ids) for ids in row] for row in uncut], np.int64)
    has_words = "words" in rows.column_names
    tokenizer = for_words(tokenizer) if has_words else tokenizer
    texts = [name for name in ("text_a", "text_b") if name in rows.column_names]
    columns = ["words"] if has_words else texts
    counts = [
        len(ids)
        for batch in rows.iter(batch_size=1000)
        for ids in tokenizer(
            *(batch[name] for name in columns), is_split_into_words=has_words, verbose=False
        )["input_ids"]
    ]
    return np.array(counts, np.int64)[:, None]


def _fingerprint(rows: Dataset, tokenizer: Any, max_length: int, masks: bool) -> str:
    """Return a digest of all that decides which tokens there are, 32 hexadecimal digits.

    datasets would make one by pickling the tokenizer, whose state changes with its calls, so that
    tokens made in another run might not be found.
    """
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    # These hold the settings of the tokenizer's last call, which are no part of its identity.
    backend |= {"truncation": None, "padding": None}
    names = tokenizer.model_input_names
    identity = f"{rows._fingerprint} {json.dumps(backend)} {max_length} {names}"
    identity += f" masked {VERSION}" if masks else ""
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def pad(
    columns: Mapping[str, Sequence[Sequence[int]]], padding: int, length: int
) -> dict[str, Tensor]:
    """Return an encoder's inputs, each (rows, length): rows padded on the right, and their mask.

    Args:
        columns: ``input_ids``, and what else goes with every token, by row.
        padding: the id of the padding token.
        length: of the longest row, or more.
    """
    fill = {"input_ids": padding}
    lengths = torch.tensor([len(row) for row in columns["input_ids"]])
    inputs = {
        name: torch.tensor([[*row, *[fill.get(name, 0)] * (length - len(row))] for row in column])
        for name, column in columns.items()
        if name != "attention_mask"
    }
    # From the lengths: not every tokenizer returns a mask, and an encoder without one takes
    # padding for words.
    return inputs | {"attention_mask": (torch.arange(length) < lengths[:, None]).long()}
