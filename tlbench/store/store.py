"""The store: finished stages on disk, each in a folder named by its key, complete or absent.

A stage is written in a work folder beside and renamed into place. Whoever trains a stage holds a
claim on it, and touches nothing once the claim is lost. Should two processes train one stage all
the same, the second to finish discards its copy.

A damaged stage counts as absent. Its ``stage.json`` is looked at whenever it is read, its weights
before another stage starts from them, everything by ``tlbench-store verify``.
"""

import errno
import json
import re
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tlbench.config.identity import KEY_LENGTH
from tlbench.config.schema import Config
from tlbench.errors import UserError
from tlbench.store import claims
from tlbench.store.claims import Claim
from tlbench.store.integrity import changed, checksum, set_aside, unseal, write_sealed

SCHEMA = 1
_KEY = f"[0-9a-f]{{{KEY_LENGTH}}}"  # a folder of another name is none of ours
WORK = ".work"
CHECKPOINT = "last.ckpt"  # in the folder of a stage that is not finished


class Store:
    """A folder of finished stages; one that can't be written can be read."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.work = self.root / WORK

    def make_writable(self) -> None:
        """Make the folder, and see that it can be written.

        Raises:
            UserError: if it can't.
        """
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            probe = self.work / f".probe-{uuid.uuid4().hex}"
            probe.write_bytes(bytes(4096))  # on a full disk an empty file can be made
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"Change store_dir: {self.root} can't be written ({error.strerror})."
            ) from error

    def folder(self, key: str) -> Path:
        return self.root / key

    def find(self, key: str, weights_of: Collection[str] = ()) -> dict[str, Any] | None:
        """The ``stage.json`` of a finished stage; None if it is not there, or damaged.

        Args:
            weights_of: count a stage that has not kept these tasks' best weights as not there,
                unless it has diverged, so that nothing may start from it.

        Raises:
            UserError: if the file is there and must not be read.
        """
        try:
            found = self._read(key)
        except ValueError:
            return None
        if found is None or found.get("diverged"):
            return found
        return found if set(weights_of) <= set(found["weights"]) else None

    def _read(self, key: str) -> dict[str, Any] | None:
        file = self.folder(key) / "stage.json"
        try:
            found = unseal(json.loads(file.read_text("utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(
                f"Change the permissions of {file}, or store_dir: it can't be read "
                f"({error.strerror})."
            ) from error
        if (found.get("schema"), found.get("key")) != (SCHEMA, key):
            raise ValueError(f"it is not of stage {key} in schema {SCHEMA}")
        if not isinstance(found.get("files"), dict) or not isinstance(found.get("weights"), list):
            raise ValueError("it lacks its files or weights")
        return found

    def find_sound(self, key: str, weights_of: Collection[str] = ()) -> dict[str, Any] | None:
        """The same, and None as well if the weights that are asked for are damaged."""
        found = self.find(key, weights_of)
        if found and any(self._changed(key, found, f"weights/{task}/") for task in weights_of):
            return None
        return found

    def set_aside_damaged(self, key: str, claim: Claim) -> None:
        """Rename a stage, if it is damaged, so that it can be trained again.

        Raises:
            ClaimLostError: if the claim on the stage is lost, as for all that takes one.
        """
        if wrong := self.damage(key):
            claim.check()
            set_aside(self.folder(key), self.root, "; ".join(wrong))

    def weights(self, key: str, task: str) -> Path:
        """The folder of a task's best weights in a finished stage."""
        return self.folder(key) / "weights" / task

    @contextmanager
    def work_folder(self, key: str, claim: Claim) -> Iterator[Path]:
        """A folder to train in: one that an interrupted process has left, or a new one.

        Removed at the end, unless it was committed or holds a checkpoint to go on from. Whoever
        takes it over gives it another name, so what is done to it by its old one is done to none.
        """
        folder = self.work / f"{key}-{uuid.uuid4().hex[:8]}"
        claim.check()
        if not self._take_over(key, folder):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            if not (folder / CHECKPOINT).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def _take_over(self, key: str, folder: Path) -> bool:
        """Rename the folder with the latest checkpoint, so that nobody else writes into it."""
        left = {}
        for file in self.work.glob(f"{key}-*/{CHECKPOINT}"):
            with suppress(FileNotFoundError):  # somebody removes what is old
                left[file] = file.stat().st_mtime
        for file in sorted(left, key=left.__getitem__, reverse=True):
            with suppress(FileNotFoundError):
                file.parent.rename(folder)
                for draft in folder.glob("*.draft"):  # a process that was stopped may have it open
                    draft.unlink(missing_ok=True)
                return True
        return False

    def commit(self, key: str, work: Path, found: dict[str, Any], claim: Claim) -> dict[str, Any]:
        """Write ``stage.json`` with checksums into ``work`` and rename it into place.

        Returns:
            What is in the store now: this copy, or that of a process that was first.
        """
        claim.check()
        for task in found["weights"]:
            if not (work / "weights" / task).is_dir():
                raise FileNotFoundError(f"{work}: the weights of {task} are gone")
        files = sorted(path for path in work.rglob("*") if path.is_file())
        sums = {path.relative_to(work).as_posix(): checksum(path) for path in files}
        manifest = {"schema": SCHEMA, "key": key, **found, "files": sums}
        write_sealed(work / "stage.json", manifest)
        target = self.folder(key)
        claim.check()  # again: checksums take time
        try:
            work.rename(target)  # of several processes one succeeds
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            have = self.find(key)
            if have is not None and set(found["weights"]) <= set(have["weights"]):
                return have
            self.set_aside_damaged(key, claim)
            replaced = self.work / f"replaced-{key}-{uuid.uuid4().hex[:8]}"
            if target.exists():  # it lacks the weights that this copy has
                target.rename(replaced)
            work.rename(target)
            shutil.rmtree(replaced, ignore_errors=True)
        return manifest

    @contextmanager
    def claim(self, key: str) -> Iterator[Claim]:
        """Hold the claim on a stage, waiting while another process holds it.

        Raises:
            UserError: if the store can't be written.
            ClaimLostError: if another process has taken over the claim, and so the stage.
        """
        self.make_writable()
        with claims.hold(self._claim(key), f"stage {key}") as claim:
            yield claim

    def is_claimed(self, key: str) -> bool:
        """Whether a process that may be alive holds the claim on a stage."""
        return claims.is_held(self._claim(key))

    def _claim(self, key: str) -> Path:
        return self.work / f"{key}.claim"

    def finished(self) -> list[str]:
        """The keys of all finished stages, damaged ones among them.

        Raises:
            UserError: if the store is there and must not be read.
        """
        try:
            folders = [path for path in self.root.iterdir() if path.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise UserError(
                f"Change the permissions of {self.root}, or store_dir: it can't be read "
                f"({error.strerror})."
            ) from error
        return sorted(path.name for path in folders if re.fullmatch(_KEY, path.name))

    def stages(self) -> Iterator[dict[str, Any]]:
        """The ``stage.json`` of every finished stage that is not damaged, by key."""
        for key in self.finished():
            found = self.find(key)
            if found is not None:
                yield found

    def drop_weights(self, key: str) -> None:
        """Remove a stage's weights; its scores and predictions stay."""
        found = self.find(key)
        if found is None:
            return
        found["weights"] = []
        found["files"] = {k: v for k, v in found["files"].items() if not k.startswith("weights/")}
        # The list first: should this be cut off, unlisted files do no harm.
        write_sealed(self.folder(key) / "stage.json", found)
        shutil.rmtree(self.folder(key) / "weights", ignore_errors=True)

    def damage(self, key: str) -> list[str]:
        """What is wrong with a finished stage: missing or changed files; empty if nothing."""
        try:
            found = self._read(key)
        except (ValueError, UserError) as error:
            return [f"stage.json: {error}"]
        if found is None:
            return ["stage.json is missing"] if self.folder(key).exists() else []
        return self._changed(key, found)

    def _changed(self, key: str, found: dict[str, Any], below: str = "") -> list[str]:
        sums = {name: known for name, known in found["files"].items() if name.startswith(below)}
        return changed(self.folder(key), sums)


def store_of(config: Config) -> Store:
    """The store of an experiment."""
    return _open(config.store_dir)


_open = cache(Store)  # one for all, so that those of a plan can be told apart
