"""Which rows of a batch go through the encoder together, where a number of tokens limits them."""

from collections.abc import Sequence

from tlbench.config.schema import Config

_MULTIPLE = 8  # of tokens, to which rows are padded


def padded(longest: int) -> int:
    """Return to how many tokens rows are padded: a multiple of 8.

    A CPU compiles kernels, and keeps them, for every shape that it meets.
    """
    return -(-longest // _MULTIPLE) * _MULTIPLE


def rows_of_forward(config: Config) -> int:
    """Return how many rows of a step a forward takes at most, on all devices."""
    return min(config.micro_batch_size or config.batch_size, config.batch_size)


def cut(lengths: Sequence[int], rows: int, tokens: int, sequences: Sequence[int] = ()) -> list[int]:
    """Return how many rows each micro-batch has, of rows that stay in their order.

    Args:
        lengths: of the rows, in tokens; of one of several sequences that of the longest.
        rows: a micro-batch has at most.
        tokens: it has at most with its padding, unless one row alone has more.
        sequences: how many each row is; none: one.
    """
    sizes, longest, number = [0], 0, 0
    for length, of_row in zip(lengths, sequences or [1] * len(lengths), strict=True):
        longest, number = max(longest, length), number + of_row
        if sizes[-1] and (sizes[-1] == rows or number * padded(longest) > tokens):
            sizes.append(0)
            longest, number = length, of_row
        sizes[-1] += 1
    return sizes


def cut_alike(
    ranks: Sequence[Sequence[int]],
    rows: int,
    tokens: int,
    sequences: Sequence[Sequence[int]] | None = None,
) -> list[list[int]]:
    """Return ``cut`` of every rank's rows, in as many micro-batches: ranks wait for each other.

    Args:
        ranks: the lengths of the rows of each, as many of each.
        sequences: of each how many its rows are, as ``cut`` has them.
    """
    of_ranks = zip(ranks, sequences or [()] * len(ranks), strict=True)
    sizes = [cut(lengths, rows, tokens, of_rank) for lengths, of_rank in of_ranks]
    most = max(map(len, sizes))
    for of_rank in sizes:
        while len(of_rank) < most:
            at = max(range(len(of_rank)), key=of_rank.__getitem__)
            half = of_rank[at] // 2
            of_rank[at : at + 1] = [half, of_rank[at] - half]
    return sizes
