"""The store: finished stages on disk, each in a folder named by its key, complete or absent.

A stage is written in a work folder beside and renamed into place. Whoever trains a stage holds a
claim on it. A claim only saves double work; should two processes train one stage all the same, the
second to finish discards its copy.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tlbench import claims
from tlbench.errors import UserError

SCHEMA = 1
CHECKPOINT = "last.ckpt"  # in the folder of a stage that is not finished


class Store:
    """A folder of finished stages.

    Raises:
        UserError: if the folder can't be written.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.work = self.root / ".work"
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            probe = self.work / f".probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"Change store_dir: {self.root} can't be written ({error.strerror})."
            ) from error

    def folder(self, key: str) -> Path:
        return self.root / key

    def find(self, key: str, weights_of: str | None = None) -> dict[str, Any] | None:
        """The ``stage.json`` of a finished stage; None if it is not there.

        Args:
            weights_of: count a stage that has not kept this task's best weights as not there.
        """
        file = self.folder(key) / "stage.json"
        try:
            found: dict[str, Any] = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(
                f"Remove {self.folder(key)} or change store_dir: its stage.json can't be read "
                f"({error})."
            ) from error
        return found if weights_of is None or weights_of in found["weights"] else None

    def weights(self, key: str, task: str) -> Path:
        """The folder of a task's best weights in a finished stage."""
        return self.folder(key) / "weights" / task

    @contextmanager
    def work_folder(self, key: str) -> Iterator[Path]:
        """A folder to train in: one that an interrupted process has left, or a new one.

        For the holder of the stage's claim. Removed at the end, unless it was committed or holds a
        checkpoint to go on from.
        """
        folder = self.work / f"{key}-{uuid.uuid4().hex[:8]}"
        if not self._take_over(key, folder):
            folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            if not (folder / CHECKPOINT).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def _take_over(self, key: str, folder: Path) -> bool:
        """Rename the folder with the latest checkpoint, so that nobody else writes into it."""
        left = sorted(
            self.work.glob(f"{key}-*/{CHECKPOINT}"), key=lambda file: file.stat().st_mtime
        )
        if not left:
            return False
        left[-1].parent.rename(folder)
        return True

    def commit(self, key: str, work: Path, found: dict[str, Any]) -> dict[str, Any]:
        """Write ``stage.json`` with checksums into ``work`` and rename it into place.

        Returns:
            What is in the store now: this copy, or that of a process that was first.
        """
        for task in found["weights"]:
            if not (work / "weights" / task).is_dir():
                raise FileNotFoundError(f"{work}: the weights of {task} are gone")
        files = sorted(path for path in work.rglob("*") if path.is_file())
        sums = {path.relative_to(work).as_posix(): checksum(path) for path in files}
        manifest = {"schema": SCHEMA, "key": key, **found, "files": sums}
        _replace_json(work / "stage.json", manifest)
        target = self.folder(key)
        have = self.find(key)
        if have is not None and set(found["weights"]) <= set(have["weights"]):
            return have  # another process was first
        if target.exists():  # it lacks the weights that this copy has
            target.rename(self.work / f"replaced-{key}-{uuid.uuid4().hex[:8]}")
        try:
            work.rename(target)
        except OSError:
            first = self.find(key)
            if first is None:
                raise
            return first
        return manifest

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Hold the claim on a stage, waiting while another process holds a fresh one."""
        return claims.hold(self._claim(key), key)

    def is_claimed(self, key: str) -> bool:
        """Whether a process that is alive holds the claim on a stage."""
        return claims.is_held(self._claim(key))

    def _claim(self, key: str) -> Path:
        return self.work / f"{key}.claim"

    def finished(self) -> list[str]:
        """The keys of all finished stages."""
        return sorted(file.parent.name for file in self.root.glob("*/stage.json"))

    def stages(self) -> Iterator[dict[str, Any]]:
        """The ``stage.json`` of every finished stage, by key."""
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
        _replace_json(self.folder(key) / "stage.json", found)
        shutil.rmtree(self.folder(key) / "weights", ignore_errors=True)

    def damage(self, key: str) -> list[str]:
        """What is wrong with a finished stage: missing or changed files; empty if nothing."""
        try:
            found = self.find(key) or {"files": {}}
        except UserError as error:
            return [str(error)]
        wrong = []
        for name, expected in found["files"].items():
            file = self.folder(key) / name
            if not file.is_file():
                wrong.append(f"{name} is missing")
            elif checksum(file) != expected:
                wrong.append(f"{name} has changed")
        return wrong


def _replace_json(file: Path, content: dict[str, Any]) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(content, indent=1), "utf-8")
    draft.replace(file)


def checksum(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
