"""Tokenised rows, made once per rows, tokenizer and length."""

import hashlib
import json
from typing import Any

from datasets import Dataset

from tlbench.data.cached import cached


def tokenise(rows: Dataset, tokenizer: Any, max_length: int, cache_dir: str) -> Dataset:
    """``input_ids`` (and ``token_type_ids``) and ``label`` of all rows, made once per content."""
    texts = [name for name in ("text_a", "text_b") if name in rows.column_names]
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    # The settings of the last call are in there too; they are not what the tokenizer is.
    backend |= {"truncation": None, "padding": None}
    names = tokenizer.model_input_names
    identity = f"{rows._fingerprint} {json.dumps(backend)} {max_length} {names}"
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:32]

    def make() -> Dataset:
        return rows.map(
            lambda batch: tokenizer(
                *(batch[name] for name in texts), truncation=True, max_length=max_length
            ),
            batched=True,
            remove_columns=texts,
            new_fingerprint=fingerprint,
            desc="Tokenising",
        )

    return cached(make, cache_dir, fingerprint, verify=True)
