"""Rows to try an encoder with: of a tokenizer's own tokens, and as long as they are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from tlbench.data.tokenization import pad

Row = dict[str, list[int]]  # input_ids, and what else goes with every token


class ProbeRows:
    """Makes rows for a tokenizer, which adds its special tokens to them as to any text.

    Attributes:
        words: the ids of all tokens that are not special, sorted.
        least: how many tokens a pair of texts has at least.
        empty: the row of a text of no characters.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.words = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
        self.least: int = tokenizer.num_special_tokens_to_add(pair=True) + 2
        empty = tokenizer("")
        self.empty: Row = {name: empty[name] for name in self._inputs_of(empty)}

    def pair(self, tokens: int) -> Row:
        """A pair of texts, of ``least`` tokens or more; its words are the vocabulary's last."""
        row = self.tokenizer(
            "a", "a", truncation=True, max_length=tokens, return_special_tokens_mask=True
        )
        special = row["special_tokens_mask"]
        at = special.index(0) if 0 in special else len(special) - 1
        more = tokens - len(special)
        order = [*range(at), *[at] * more, *range(at, len(special))]
        made = {name: [row[name][place] for place in order] for name in self._inputs_of(row)}
        made["input_ids"][at : at + more] = [
            self.words[-1 - i % len(self.words)] for i in range(more)
        ]
        return made

    def with_another_end(self, row: Row) -> Row:
        """The row with a word in the place of its last token."""
        *others, last = row["input_ids"]
        return row | {"input_ids": [*others, next(word for word in self.words if word != last)]}

    def batch(self, rows: Sequence[Row]) -> dict[str, Tensor]:
        """What an encoder takes, each (rows, tokens of the longest)."""
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        longest = max(len(row["input_ids"]) for row in rows)
        return pad(columns, self.tokenizer.pad_token_id, longest)

    def _inputs_of(self, row: Mapping[str, Any]) -> list[str]:
        return [name for name in self.tokenizer.model_input_names if name in row]
