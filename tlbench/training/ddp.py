"""Several devices for one stage: a process for each, of which the one that runs already is rank 0.

Only training is distributed. Planning, the store and the record stay in the first process; the
others are started for a stage that is trained, and never decide whether it is.
"""

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

import pytorch_lightning as pl
import torch

from tlbench.config.schema import TrainerConfig
from tlbench.errors import UserError
from tlbench.training.watch import ended_together

# Variables of the environment in which Lightning looks up a rank, as ``torchrun`` sets them.
_RANK_VARIABLES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
_PATIENCE = 30.0  # seconds for the other processes to end by themselves


def count_devices(trainer: TrainerConfig) -> int:
    """Return how many devices ``trainer.devices`` means on this machine.

    Raises:
        UserError: if a GPU, or more of them than there are, are requested.
    """
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if trainer.accelerator in ("gpu", "cuda") and not has_gpu:
        raise UserError("Change trainer.accelerator: torch finds no GPU on this machine; use cpu.")
    if trainer.devices == "auto":
        return torch.cuda.device_count() if on_cuda(trainer) else 1
    requested = int(trainer.devices)
    if on_cuda(trainer) and requested > (available := torch.cuda.device_count()):
        raise UserError(
            f"Change trainer.devices: {requested} requested and {available} are available."
        )
    return requested


def on_cuda(trainer: TrainerConfig) -> bool:
    """Return whether ``trainer.accelerator`` means NVIDIA's GPUs on this machine."""
    return trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


@contextmanager
def others(count: int, work: Callable[..., object], *args: Any) -> Iterator[None]:
    """Run ``work(*args)`` in ``count - 1`` more processes, as the ranks beside this one.

    Args:
        count: of ranks; with one nothing is done.
        work: what the other ranks do; a function of a module, as it is pickled.
        args: its arguments, pickled too.
    """
    if count == 1:
        yield
        return
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    # Spawned: a fork of a process that has used CUDA, or has threads, may not work.
    context = multiprocessing.get_context("spawn")
    ranks = [
        context.Process(target=_as_rank, args=(rank, address, work, args))
        for rank in range(1, count)
    ]
    try:
        for rank in ranks:
            rank.start()
        os.environ.update(address, LOCAL_RANK="0")
        with ended_together(ranks):
            yield
            for rank in ranks:
                rank.join(_PATIENCE)
    finally:
        _end(ranks)


def _end(ranks: Sequence[BaseProcess]) -> None:
    """Kill ranks that still run, and leave this process as if there had been none."""
    for rank in ranks:
        if rank.pid is not None:  # it was started
            rank.kill()
    # Else the next stage of this process would join the group, or wait for ranks, of this one.
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    for name in _RANK_VARIABLES:
        os.environ.pop(name, None)


class StopAtSigterm(pl.Callback):
    """Makes SIGTERM an interrupt of the first rank, which then ends the others.

    Lightning 2.6 would have the ranks agree on it by a collective operation, and hang.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        first = trainer.is_global_zero
        signal.signal(signal.SIGTERM, signal.default_int_handler if first else signal.SIG_IGN)

    # A stage that was interrupted in an evaluation begins with one, before training starts.
    on_validation_start = on_train_start


def _as_rank(
    rank: int, address: dict[str, str], work: Callable[..., object], args: tuple[Any, ...]
) -> None:
    """Do the work of a rank, in its process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first rank reacts
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(address, LOCAL_RANK=str(rank))
    work(*args)


def _end_with_parent() -> None:
    # A daemon process is ended by its parent's exit handlers, which SIGKILL does not run. And
    # os._exit, as the main thread may wait in an operation that raises nothing.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _free_port() -> int:
    # The system picks one. Another process may take it before the ranks meet; then they fail.
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port
