"""Keeps freed memory in the process that trains on a CPU.

glibc gives large blocks back to the system as soon as they are freed, and gets them back zeroed,
page by page: with tensors of every step's own shape a tenth of a step's time.
"""

import ctypes
import platform

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed() -> bool:
    """Have this process reuse its freed memory, until it ends; the peak stays what it is.

    Returns:
        Whether that could be arranged: other C libraries go on as they do.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_MMAP_MAX, 0))
