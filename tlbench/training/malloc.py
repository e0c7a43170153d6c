"""Keeps freed memory in the process that trains on a CPU.

glibc returns large blocks to the system as soon as they are freed, and gets them back zeroed, page
by page. With tensors whose shapes differ from step to step, that is a tenth of a step's time.
"""

import ctypes
import platform

# Numbers of malloc.h, which Python has no names for.
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed() -> bool:
    """Have this process reuse its freed memory, until it ends; its peak is not affected.

    Returns:
        Whether that was possible: it is with glibc alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Never trim the heap (-1), and take no block by mmap (0), which would be unmapped when freed.
    return bool(mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_MMAP_MAX, 0))


def return_freed() -> None:
    """Return to the system what is freed, so that others than malloc may have it."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
