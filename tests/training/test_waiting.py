"""A step asks for nothing that a GPU computes: to read a number of it is to wait for all before."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.experiments import Compose, stage_run
from tlbench.models.features import PLAIN, Kernels
from tlbench.models.kernels import jagged
from tlbench.plan.build import build
from tlbench.training import train
from tlbench.training.module import MultiTaskModule

# What has to know values of a tensor: a number of it, or how many of them there are.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique")


ASKING = (
    "tolist",
    "numpy",
    "cpu",
)  # and what copies them, of which a CPU's dispatcher sees nothing


class Waits(TorchDispatchMode):
    """Counts the operations that would wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        by_mask = name == "index" and any(
            place is not None and place.dtype == torch.bool for place in args[1]
        )
        if name in WAITING or by_mask:
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[Counter[str]]:
    """What each step of a training on a GPU would wait for, on a CPU in its place."""
    steps: list[Counter[str]] = []
    step = MultiTaskModule.training_step

    def counted(self: MultiTaskModule, batch: Any, batch_idx: int) -> None:
        with monkeypatch.context() as asking, Waits() as mode:
            for name in ASKING:
                asking.setattr(Tensor, name, _counted(mode, name, getattr(Tensor, name)))
            step(self, batch, batch_idx)
        steps.append(mode.found)

    monkeypatch.setattr(MultiTaskModule, "training_step", counted)
    # Every tenth step is logged, or more in a training as short as this, and numbers are for that.
    monkeypatch.setattr(MultiTaskModule, "_train_losses", lambda _: {})
    return steps


def _counted(mode: Waits, name: str, method: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        mode.found[name] += 1
        return method(*args, **kwargs)

    return call


def _attend_without_asking(query: Tensor, *args: Any) -> Tensor:
    key, value, _asking, rows, dropout, scaling = args
    if len(query) != len(key):
        return query + (key.sum() + value.sum()) * 0
    return jagged._attend_in_padded_rows(query, key, value, rows, dropout, scaling, rows.longest)


@pytest.mark.parametrize(
    ("overrides", "waiting"),
    [
        ([], {}),
        (["micro_batch_size=4"], {}),
        (["micro_batch_tokens=64"], {}),
        (["perturb=sam"], {}),
        (["optim.l2_sp=0.1"], {}),
        # transformers asks whether a batch has padding.
        (["fast_kernels=false"], {"_local_scalar_dense": 1}),
    ],
)
def test_steps_wait_for_nothing(
    compose: Compose,
    tmp_path: Path,
    waits: list[Counter[str]],
    monkeypatch: pytest.MonkeyPatch,
    overrides: list[str],
    waiting: dict[str, int],
) -> None:
    # Of nested tensors a CPU asks for each row; the kernels of a GPU do not.
    monkeypatch.setattr(jagged, "attend", _attend_without_asking)
    unpadded = Kernels("unpadded", on_cpu=False)
    monkeypatch.setattr(
        train, "choose_kernels", lambda s: unpadded if s.config.fast_kernels else PLAIN
    )
    pair = ("strategy=mtl", "target_task=rte", "support_task=mnli", "batch_size=16")
    asked = compose(*pair, "subsample_size.target=40", "subsample_size.dev=8", *overrides)
    (stage,) = build(asked).plan()
    train.train_stage(stage_run(stage, tmp_path / "stage"), None)
    assert [dict(found) for found in waits] == [waiting] * 4
