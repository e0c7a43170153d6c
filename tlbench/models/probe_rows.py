"""Rows to try an encoder with, of a tokenizer's own tokens and of any length."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from tlbench.data.tokenization import pad

Row = dict[str, list[int]]  # input_ids, and what else goes with every token


class ProbeRows:
    """Makes rows for a tokenizer, which adds its special tokens to them as to any text.

    Attributes:
        words: the ids of all tokens that are not special, sorted.
        min_tokens: of a pair of texts, with a word in each.
        empty: the row of an empty text.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.words = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
        self.min_tokens: int = tokenizer.num_special_tokens_to_add(pair=True) + 2
        empty = tokenizer("")
        self.empty: Row = {name: empty[name] for name in self._inputs_of(empty)}

    def pair(self, tokens: int) -> Row:
        """Return a pair of texts of that many tokens, ``min_tokens`` or more.

        Its words are the last of the vocabulary: an encoder with too few embeddings fails on them.
        """
        short = self.tokenizer(
            "a", "a", truncation=True, max_length=tokens, return_special_tokens_mask=True
        )
        # Made longer by repeating its first word: no text has a known number of tokens in every
        # vocabulary.
        special = short["special_tokens_mask"]
        word_at = special.index(0) if 0 in special else len(special) - 1
        missing = tokens - len(special)
        places = [*range(word_at), *[word_at] * missing, *range(word_at, len(special))]
        row = {name: [short[name][place] for place in places] for name in self._inputs_of(short)}
        row["input_ids"][word_at : word_at + missing] = [
            self.words[-1 - i % len(self.words)] for i in range(missing)
        ]
        return row

    def examples(self, max_length: int) -> list[Row]:
        """Return the empty row, one of half as many tokens as there may be, and the longest."""
        middle = max(self.min_tokens, max_length // 2)
        return [self.empty, self.pair(middle), self.pair(max_length)]

    def with_other_last_word(self, row: Row) -> Row:
        """Return the row with a word in the place of its last token."""
        *ids, last = row["input_ids"]
        return row | {"input_ids": [*ids, next(word for word in self.words if word != last)]}

    def batch(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """Return an encoder's inputs, each (rows, tokens of the longest)."""
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        longest = max(len(row["input_ids"]) for row in rows)
        return pad(columns, self.tokenizer.pad_token_id, longest)

    def _inputs_of(self, row: Mapping[str, Any]) -> list[str]:
        return [name for name in self.tokenizer.model_input_names if name in row]
