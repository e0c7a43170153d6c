"""Which GPUs this machine offers, without asking torch: planning imports none of it."""

import multiprocessing
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
_NODES = Path("/dev")


def available(environment: Mapping[str, str] = os.environ, nodes: Path = _NODES) -> list[str]:
    """NVIDIA's GPUs by number, or by what ``CUDA_VISIBLE_DEVICES`` calls them if that is set."""
    if VISIBLE in environment:
        return [word.strip() for word in environment[VISIBLE].split(",") if word.strip()]
    found = (re.fullmatch(r"nvidia(\d+)", path.name) for path in nodes.glob("nvidia*"))
    return sorted((match[1] for match in found if match), key=int)


def shared(place: int, count: int, gpus: Sequence[str] | None = None) -> list[str]:
    """Return the GPUs of one of ``count`` processes beside each other, none where there are none.

    Each has as many as every other has; where there are fewer GPUs than processes, one, in turn.

    Args:
        gpus: what there is; None: what this machine offers.
    """
    gpus = available() if gpus is None else gpus
    if not gpus:
        return []
    each = max(1, len(gpus) // count)
    first = place * each % len(gpus)
    return list(gpus[first : first + each])


def of_worker() -> str:
    """The GPU for this process, so that the workers of a pool are dealt out evenly; "" for none.

    A worker keeps its GPU: CUDA does not let go of the first one.
    """
    gpus = available()
    number = (multiprocessing.current_process()._identity or (1,))[-1]
    return gpus[(number - 1) % len(gpus)] if gpus else ""
