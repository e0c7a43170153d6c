"""How alike two tasks are, by their texts or by what of the encoder they depend on.

Text embeddings (the mean over rows of mean token embeddings of the pretrained encoder) and task
embeddings are those of Vu et al. 2020, as they are their cosines.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def text_similarity(target: Array, support: Array) -> float:
    """Return the cosine of the tasks' mean embeddings, each of (rows, width)."""
    return _cosine(target.mean(axis=0), support.mean(axis=0))


def task_similarity(target: Mapping[str, Array], support: Mapping[str, Array]) -> float:
    """Return the mean over parameters of the cosine of two task embeddings.

    Parameters that a task does not depend on, as those behind the token that heads read, are left
    out.
    """
    cosines = [_cosine(one, support[name]) for name, one in target.items() if one.any()]
    return float(np.mean(cosines)) if cosines else 0.0


def _cosine(one: Array, other: Array) -> float:
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length else 0.0
