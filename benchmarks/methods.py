"""Measures what a step of each method costs, beside the plain sum on the same batches.

python -m benchmarks.methods --tasks 2 --tasks 9

Forward, backward, the method and AdamW, in processor time of this thread, or on a GPU in seconds:
ratios to the plain sum of the same round, medians over rounds. Beside them two ways that tlbench
does not take: one forward of all tasks and a backward for each, by hand and by TorchJD's
``mtl_backward`` with PCGrad.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torchjd.aggregation import PCGrad
from torchjd.autojac import jac_to_grad, mtl_backward

from benchmarks import shapes
from tlbench.config.schema import Config, Perturb, Source, Task
from tlbench.data.batch import Batch
from tlbench.doctor.defaults import default_config
from tlbench.methods.sum import Sum
from tlbench.models.encoder import load_encoder
from tlbench.models.features import features, preferred
from tlbench.models.multitask import MultiTaskModel
from tlbench.training import malloc
from tlbench.training.balance import Balance
from tlbench.training.optimization import make_optimizer

METHODS = (
    "mean",
    "uncertainty",
    "dwa",
    "rlw",
    "pcgrad",
    "mgda",
    "cagrad",
    "imtl_g",
    "nash_mtl",
    "aligned_mtl",
    "upgrad",
)
ROWS, LONGEST = 32, 64
ENCODER = ("encoder=minilm", "encoder.num_hidden_layers=4")
Step = Callable[[Batch], None]


class Bench:
    """A model that makes gradients without Lightning, as ``Balance`` asks for it."""

    def __init__(self, config: Config, tasks: Sequence[Task], device: str) -> None:
        torch.manual_seed(0)
        self.config = config
        self.model = MultiTaskModel(load_encoder(config.encoder), tasks, config.heads)
        self.model.use(preferred(True, on_cuda=device == "cuda", compiled=False)[0])
        self.model.to(device)
        self.training_forwards = SimpleNamespace(rows=None)
        self.device = torch.device(device)
        self.global_step = 0
        self.trainer = SimpleNamespace(
            strategy=SimpleNamespace(reduce=lambda tensor, reduce_op: tensor)
        )
        self.balance = Balance(cast(Any, self))
        self.optimizer = make_optimizer(config.optim, self.model.parameters())

    def manual_backward(self, loss: Tensor) -> None:
        torch.autograd.backward(loss)

    def parameters(self) -> Any:
        return self.model.parameters()

    def step(self, batch: Batch) -> None:
        """Train on a batch as a stage does."""
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            _, losses = self.balance.backward(batch)
            self.balance.after_step(batch, losses)
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.global_step += 1

    def _losses(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """Return the features of one forward of all rows, and the loss of every task from them."""
        shared = features(self.model.encoder, batch.inputs, self.model.kernels, batch.lengths)
        parts = torch.split(shared, list(batch.counts))
        return shared, [
            kind.losses(self.model.heads[f"head_{name}"](part), truth).mean()
            for kind, name, part, truth in zip(
                self.model.kinds, self.model.head_names, parts, batch.labels, strict=True
            )
        ]

    def backward_each(self, batch: Batch) -> None:
        """One forward of all rows, and a backward for each task."""
        self.optimizer.zero_grad()
        encoder = list(self.model.encoder.parameters())
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            _, losses = self._losses(batch)
        rows = []
        for loss in losses:
            torch.autograd.backward(loss, retain_graph=True)
            rows.append([one.grad for one in encoder])
            for one in encoder:
                one.grad = None
        for one, *gradients in zip(encoder, *rows, strict=True):
            one.grad = sum(g for g in gradients if g is not None)
        self.optimizer.step()

    def torchjd(self, batch: Batch) -> None:
        """The same by TorchJD, with PCGrad."""
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            shared, losses = self._losses(batch)
        mtl_backward(losses, features=shared, retain_graph=True)
        jac_to_grad(list(self.model.encoder.parameters()), PCGrad())
        self.optimizer.step()


def batches(tasks: int, count: int, device: str) -> list[Batch]:
    """Return batches with rows of all tasks, of random tokens and 8 to 64 of them a row."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        shares = 1 + random.multinomial(ROWS - tasks, np.full(tasks, 1 / tasks))
        counts = tuple(shares.tolist())
        lengths = torch.from_numpy(random.integers(8, LONGEST + 1, ROWS))
        mask = (torch.arange(LONGEST) < lengths[:, None]).long()
        ends = np.cumsum([0, *counts])
        longest = [int(lengths[a:b].max()) for a, b in pairwise(ends)]
        ids = torch.from_numpy(random.integers(1000, 20000, (ROWS, LONGEST)))
        labels = torch.from_numpy(random.integers(0, 2, ROWS)).float()
        found.append(
            Batch(
                {"input_ids": (ids * mask).to(device), "attention_mask": mask.to(device)},
                torch.split(labels.view(torch.int32).to(device), list(counts)),
                counts,
                Sum([]).row_weights(counts).to(device),
                torch.arange(ROWS),
                ROWS,
                tuple(min(-(-one // 8) * 8, LONGEST) for one in longest),
                tuple(lengths.tolist()),
            )
        )
    return found


def contenders(tasks: int, encoder: Sequence[str], device: str) -> dict[str, Step]:
    """Return what makes a step, by name; the plain sum is the first."""
    of = [
        Task(f"task{n}", ["no", "yes"], ["accuracy"], ["accuracy"], Source("generated"))
        for n in range(tasks)
    ]
    overrides = (*encoder, "suite=generated")
    plain = Bench(default_config(*overrides), of, device)
    steps: dict[str, Step] = {"sum": plain.step}
    for name in METHODS:
        steps[name] = Bench(default_config(*overrides, f"method={name}"), of, device).step
    for per_task in (False, True):
        config = replace(default_config(*overrides), perturb=Perturb("sam", 0.05, per_task))
        steps["sam, per task" if per_task else "sam"] = Bench(config, of, device).step
    by_hand, by_torchjd = (Bench(default_config(*overrides), of, device) for _ in range(2))
    steps["one forward, a backward for each task"] = by_hand.backward_each
    steps["TorchJD's mtl_backward, PCGrad"] = by_torchjd.torchjd
    return steps


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the ratios, as Markdown."""
    parser = argparse.ArgumentParser("python -m benchmarks.methods", description=__doc__)
    parser.add_argument("--tasks", type=int, action="append", help="how many, each a column")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--encoder", help="shape:minilm, ...; without it minilm's first 4 layers")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    malloc.keep_freed()  # as the process that trains does
    counts = options.tasks or [2, 9]
    with tempfile.TemporaryDirectory() as folder:
        asked = options.encoder
        encoder = shapes.overrides(asked, Path(folder) / "encoder") if asked else ENCODER
        columns = [_ratios(count, options.rounds, encoder, options.device) for count in counts]
    print(f"| | {' | '.join(f'{count} tasks' for count in counts)} |\n|---|{'---|' * len(counts)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(f'{column[name]:.2f}' for column in columns)} |")


def _ratios(tasks: int, rounds: int, encoder: Sequence[str], device: str) -> dict[str, float]:
    """Return by contender the median over rounds of its time to that of the plain sum."""
    steps, drawn = contenders(tasks, encoder, device), batches(tasks, rounds + 2, device)
    ratios: dict[str, list[float]] = {name: [] for name in steps}
    for number, batch in enumerate(drawn):
        seconds = {}
        for name, step in steps.items():
            began = _now(device)
            step(batch)
            seconds[name] = _now(device) - began
        if number >= 2:  # the first ones compile kernels
            for name, each in ratios.items():
                each.append(seconds[name] / seconds["sum"])
    return {name: float(np.median(each)) for name, each in ratios.items()}


def _now(device: str) -> float:
    """Return the processor time of this thread, or the time at which a GPU has done all."""
    if device == "cpu":
        return time.thread_time()
    torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
