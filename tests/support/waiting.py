"""The first of two ranks, which waits for one that does its part or does not: for test_watch.py.

    python -m tests.support.waiting works|sleeps|fails|never_comes

Prints what came of it.
"""

import multiprocessing
import os
import signal
import sys
import time

import torch

from tlbench.training import ddp, watch


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    watch.PATIENCE = 5.0
    forking = multiprocessing.get_context("fork")  # a fork need not import again
    ddp.multiprocessing.get_context = lambda _: forking  # type: ignore[assignment]
    what = {"works": works, "sleeps": sleeps, "fails": fails, "never_comes": leaves}[sys.argv[1]]
    try:
        with ddp.others(2, what):
            take_part()
        print("done")
    except RuntimeError as error:
        print(f"RuntimeError: {error}")
    except KeyboardInterrupt:
        print("KeyboardInterrupt")


def take_part() -> None:
    meet()
    print("met", flush=True)
    torch.distributed.all_reduce(torch.zeros(1))


def meet() -> None:
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{os.environ['MASTER_PORT']}",
        rank=int(os.environ["LOCAL_RANK"]),
        world_size=2,
    )


def works() -> None:
    loads = multiprocessing.get_context("fork").Process(target=time.sleep, args=(0,))
    loads.start()  # as a DataLoader does with num_workers
    loads.join()
    meet()
    torch.distributed.all_reduce(torch.zeros(1))


def sleeps() -> None:
    meet()
    time.sleep(600)


def fails() -> None:
    meet()
    raise ValueError("no part of this rank")


def leaves() -> None:
    sys.exit(3)


if __name__ == "__main__":
    main()
