"""Folders that can't be written: a full disk, a read-only one, or wrong permissions."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlbench.errors import UserError

_CAUSES = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENOTDIR,
    errno.EEXIST,  # a file is where the folder should be
}


@contextmanager
def writing(setting: str, folder: str | Path) -> Iterator[None]:
    """What is done inside writes below ``folder``, which ``setting`` names.

    Raises:
        UserError: instead of whatever a library raises if that is not possible.
    """
    try:
        yield
    except Exception as error:
        if reason := why_not_written(error):
            raise UserError(
                f"Make room or change {setting}: {folder} can't be written ({reason}); what is "
                "finished is kept, and the same command again goes on."
            ) from error
        raise


def why_not_written(error: BaseException) -> str | None:
    """In the system's words; None if an error is, and comes from, something else."""
    if isinstance(error, UserError):  # which has said what to change
        return None
    if isinstance(error, OSError) and error.errno in _CAUSES:
        return os.strerror(error.errno) + (f": {error.filename}" if error.filename else "")
    # safetensors and tokenizers write in Rust, and raise errors of their own.
    number = re.search(r"\(os error (\d+)\)", str(error))
    if number and int(number[1]) in _CAUSES:
        return os.strerror(int(number[1]))
    before = error.__cause__ or error.__context__
    return why_not_written(before) if before else None
