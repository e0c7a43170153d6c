"""Folders that can't be written: a full disk, a read-only one, or wrong permissions."""

import errno
import os
import re
import uuid
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
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EEXIST,  # a file is where the folder should be
}
SHARED = Path("/dev/shm")  # noqa: S108  # nosec B108 - no file of a fixed name


@contextmanager
def writing(setting: str, folder: str | Path) -> Iterator[None]:
    """Run a block that writes below ``folder``, which ``setting`` names.

    Raises:
        UserError: in place of whatever a library raises, if the folder can't be written.
    """
    try:
        yield
    except Exception as error:
        if reason := _why_not_shared(error, Path(folder)):
            raise UserError(
                f"Make room in {SHARED}, or set num_workers=0 and trainer.devices=1: memory that "
                f"processes share can't be written ({reason}); what is finished is kept."
            ) from error
        if reason := why_not_written(error):
            raise UserError(
                f"Make room or change {setting}: {folder} can't be written ({reason}); what is "
                "finished is kept, and the same command again goes on."
            ) from error
        raise


def check_working_folder() -> None:
    """Refuse to work in a folder that is there no more, which relative paths would be in.

    Raises:
        UserError: that says so.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise UserError(
            f"Change into another folder: the present one can't be used ({error.strerror})."
        ) from error


def _why_not_shared(error: BaseException, folder: Path) -> str | None:
    """Return why memory that processes share can't be written; None if that is not the fault.

    What is raised seldom names a file (semaphores of processes, torch's tensors between them), so
    it is that memory's fault too where the folder can be written, and it can't.
    """
    if isinstance(error, UserError):
        return None
    said = " ".join(str(error).split())
    if any(word in said for word in ("shared memory", "</torch_", f"{SHARED}/")):
        return said
    reason = why_not_written(error)
    if reason is None or _is_writable(folder) is False or _is_writable(SHARED) is not False:
        return None
    return reason


def _is_writable(folder: Path) -> bool | None:
    """Return whether a file can be written into a folder; None if there is no such folder."""
    try:
        if not folder.is_dir():
            return None
        probe_writing(folder)
    except OSError:
        return False
    return True


def probe_writing(folder: Path) -> None:
    """Create a folder if need be, and write and remove a file in it.

    Raises:
        OSError: if that fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe-{uuid.uuid4().hex}"
    probe.write_bytes(bytes(4096))  # on a full disk an empty file can still be created
    probe.unlink()


def why_not_written(error: BaseException) -> str | None:
    """Return the system's reason why nothing could be written; None for an error of another kind.

    The errors that an error comes from are looked at too: libraries wrap those of the system.
    """
    if isinstance(error, UserError):  # it says already what to change
        return None
    if isinstance(error, OSError) and error.errno in _CAUSES:
        return os.strerror(error.errno) + (f": {error.filename}" if error.filename else "")
    # safetensors and tokenizers write in Rust, and raise errors of their own.
    code = re.search(r"\(os error (\d+)\)", str(error))
    if code and int(code[1]) in _CAUSES:
        return os.strerror(int(code[1]))
    origin = error.__cause__ or error.__context__
    return why_not_written(origin) if origin else None
