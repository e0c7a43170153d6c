"""The yardstick as a contender."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import torch

from benchmarks import bare_loop
from benchmarks.watch import Watch
from benchmarks.workload import Case, Work


def train(case: Case, watch: Watch) -> None:
    """Train ``bare_loop``'s model in ``bare_loop``'s loop."""
    work = Work.read(case.folder)
    torch.manual_seed(case.seed)
    model = bare_loop.SharedEncoder(work.encoder, work.outputs, work.pretrained)
    batches = bare_loop.batches(work.rows, len(work.outputs), work.pad, work.settings)
    with in_precision(case):
        bare_loop.fit(model, watch.timed(batches), work.settings, watch.after_step)


def in_precision(case: Case) -> AbstractContextManager[Any]:
    """Keep the loop, which is frozen, from its bfloat16 where the case is of float32."""
    if case.precision == "bf16":
        return nullcontext()
    return patch.object(torch, "autocast", lambda *_, **__: nullcontext())
