"""Several devices for one stage: a process per device, of which the one at work already is rank 0.

Only training is shared out. Planning, the store and the record stay in the first process, so the
others never ask whether a stage is to be trained: they exist only if it is.
"""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch

from tlbench.config.schema import TrainerConfig
from tlbench.errors import UserError
from tlbench.training.watch import ended_together

_PLACE = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
_PATIENCE = 30.0  # seconds for the other processes to end by themselves


def count_devices(trainer: TrainerConfig) -> int:
    """How many devices ``trainer.devices`` means on this machine.

    Raises:
        UserError: if a GPU, or that many, are asked for and are not there.
    """
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if trainer.accelerator in ("gpu", "cuda") and not has_gpu:
        raise UserError("Change trainer.accelerator: torch finds no GPU on this machine; use cpu.")
    if trainer.devices == "auto":
        return torch.cuda.device_count() if on_cuda(trainer) else 1
    count = int(trainer.devices)
    if on_cuda(trainer) and count > torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise UserError(f"Change trainer.devices: {count} asked for and {there} are there.")
    return count


def on_cuda(trainer: TrainerConfig) -> bool:
    """Whether ``trainer.accelerator`` means NVIDIA's GPUs on this machine."""
    return trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


@contextmanager
def others(count: int, work: Callable[..., object], *args: Any) -> Iterator[None]:
    """Run ``work(*args)`` in ``count - 1`` more processes, as the ranks beside this one.

    Lightning finds its place among them in the environment, as ``torchrun`` would set it.
    """
    if count == 1:
        yield
        return
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=_as_rank, args=(n, place, work, args)) for n in range(1, count)]
    try:
        for rank in ranks:
            rank.start()
        os.environ.update(place, LOCAL_RANK="0")
        with ended_together(ranks):
            yield
            for rank in ranks:
                rank.join(_PATIENCE)
    finally:
        for rank in ranks:
            if rank.pid is not None:
                rank.kill()  # of one that has ended already, nothing
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for name in _PLACE:
            os.environ.pop(name, None)


class StopAtSigterm(pl.Callback):
    """Makes SIGTERM an interrupt: Lightning 2.6 would have the ranks agree on it, and hang.

    The first rank answers, and ends the others.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        first = trainer.is_global_zero
        signal.signal(signal.SIGTERM, signal.default_int_handler if first else signal.SIG_IGN)

    on_validation_start = on_train_start  # of an evaluation that comes first, after an interrupt


def _as_rank(
    rank: int, place: dict[str, str], work: Callable[..., object], args: tuple[Any, ...]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first rank answers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(place, LOCAL_RANK=str(rank))
    work(*args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port
