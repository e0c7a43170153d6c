"""Batches that do not fit into a device's memory go through it in smaller pieces.

A batch's loss is the sum of its pieces', so that it stays the same however small they are; what
changes is rounding and what dropout draws, as ``micro_batch_size`` does.
"""

import gc
import logging
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from pytorch_lightning.utilities.memory import garbage_collection_cuda, is_oom_error

from tlbench.data.batch import Batch
from tlbench.errors import UserError
from tlbench.training import malloc

log = logging.getLogger(__name__)

Found = TypeVar("Found")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a GPU, or what a process may take of the machine, is full."""
    kinds = torch.OutOfMemoryError | MemoryError
    said = str(error)
    if isinstance(error, kinds) or is_oom_error(error) or "MPS backend out of memory" in said:
        return True
    # oneDNN gives no reason; where the process may take all of the machine it is another one.
    is_limited = resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    return is_limited and said.startswith("could not create a ")


@contextmanager
def named() -> Iterator[None]:
    """Make one sentence of what is out of memory where smaller batches are of no use.

    Raises:
        UserError: in place of the error.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            "Change encoder to a smaller one, or free the device: it is out of memory whatever the "
            f"size of the batches ({_first_line(error)})."
        ) from error


class Forwards:
    """The rows of a forward: those of a key, halved as often as the device was out of memory.

    Args:
        key: ``micro_batch_size`` or ``eval_batch_size``.
        rows: what it asks for.
        may_halve: ``trainer.out_of_memory=halve``.

    Attributes:
        rows: of a forward now.
        halved: for each time, the step at which it was, and the rows since then by ``key``.
    """

    def __init__(self, key: str, rows: int, may_halve: bool) -> None:
        self.key = key
        self.asked = self.rows = rows
        self.may_halve = may_halve
        self.halved: list[dict[str, int]] = []

    def resume(self, halved: list[dict[str, int]]) -> None:
        """Begin with the rows that an interrupted stage had come to, unless fewer are asked for."""
        self.halved = halved
        self.rows = min([self.rows, *(one[self.key] for one in halved)])

    def run(self, work: Callable[[], Found], step: int, devices: int = 1) -> Found:
        """Return what ``work`` does with ``rows`` rows at a time, done again with fewer if need be.

        Args:
            work: has no effect that it does not undo when it begins; it draws the same random
                numbers each time.
            step: for log and record.
            devices: which exchange gradients in ``work``, so that none may do it again alone.

        Raises:
            UserError: if the device is out of memory, and it can't or may not take fewer rows.
        """
        drawn = _random_state()
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error, step, devices)
            # Not above: while an error is handled it holds the tensors of all its frames.
            gc.collect()
            garbage_collection_cuda()
            malloc.return_freed()
            _set_random_state(drawn)

    def _halve(self, error: BaseException, step: int, devices: int) -> None:
        if self.rows == 1:
            raise UserError(
                "Change encoder, encoder.max_length or trainer.precision: the device is out of "
                f"memory with one row at a time ({_first_line(error)})."
            ) from error
        if devices > 1 or not self.may_halve:
            by_itself = (
                "several devices can't halve it by themselves"
                if devices > 1
                else "or trainer.out_of_memory to halve"
            )
            raise UserError(
                f"Change {self.key} to less than {self.rows}: the device is out of memory; "
                f"{by_itself} ({_first_line(error)})."
            ) from error
        self.rows = -(-self.rows // 2)
        self.halved = [*self.halved, {"step": step, self.key: self.rows}]
        log.warning(
            "  out of memory: from step %d on a forward takes %d rows (%s); loss and metrics are "
            "of the same rows as before",
            step,
            self.rows,
            self.key,
        )

    def pieces(self, batch: Batch) -> Iterator[Batch]:
        """Yield a batch in pieces: whole, unless it was halved, as batches of evaluation have as
        many rows as fit into a number of tokens.
        """
        rows = len(batch.ids)
        return batch.micro_batches(max(1, -(-rows * self.rows // self.asked)))


def _random_state() -> list[Any]:
    return [
        torch.get_rng_state(),
        torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    ]


def _set_random_state(drawn: list[Any]) -> None:
    on_cpu, on_gpu = drawn
    torch.set_rng_state(on_cpu)
    if on_gpu is not None:
        torch.cuda.set_rng_state(on_gpu)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
