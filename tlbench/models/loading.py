"""Reads an encoder's files with transformers, and turns its errors into sentences."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from transformers.utils import logging as hf_logging

from tlbench.errors import UserError, first_line
from tlbench.plan import encoder_files


def load_from_files(
    auto: Any, name: str, revision: str | None, trust_remote_code: bool, **options: Any
) -> Any:
    """Return what one of transformers' ``Auto`` classes reads from an encoder's files.

    Args:
        auto: the class.
        name: of the encoder: of the hub, a folder, or inside a package.
        revision: the hub's commit; None: its main branch.
        trust_remote_code: run Python code among the files.
        options: more arguments of ``from_pretrained``.

    Raises:
        UserError: if that fails.
    """
    # Passed even where it is false: without it, transformers would ask on the terminal.
    options |= {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    folder = encoder_files.locate(name)
    try:
        return auto.from_pretrained(folder, **options)
    # The libraries that read the files raise errors of any type; what they say is passed on.
    except Exception as error:
        if "trust_remote_code" in str(error) and not trust_remote_code:
            raise UserError(
                f"Change encoder.name, or set encoder.trust_remote_code=true if you have read the "
                f"Python code in the files of '{name}': they need it to be run."
            ) from error
        # What transformers tries next, and names, is for other tokenizers.
        if "tiktoken" in str(error) and find_spec("sentencepiece") is None:
            raise UserError(
                f"Change encoder, or pip install sentencepiece: the tokenizer of '{name}' can't be "
                "read without it."
            ) from error
        raise UserError(
            f"Change encoder (encoder=minilm and encoder=tiny need no download) or encoder.name: "
            f"'{name}' can't be loaded ({first_line(error)})."
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence its lists of weights that are not used, such as a language model's head."""
    verbosity = hf_logging.get_verbosity()
    hf_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
