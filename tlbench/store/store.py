"""The store: finished stages on disk, each in a folder named by its key, complete or absent.

A stage is written in a work folder beside and renamed into place. Whoever trains a stage holds a
claim on it, and touches nothing once the claim is lost. Should two processes train one stage all
the same, the second to finish discards its copy.

A damaged stage counts as absent. Its ``stage.json`` is verified whenever it is read, its weights
before another stage starts from them, everything by ``tlbench-store verify``.
"""

import errno
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tlbench.config.schema import Config
from tlbench.errors import UserError
from tlbench.store import claims
from tlbench.store.claims import Claim
from tlbench.store.disk import probe_writing
from tlbench.store.final_scores import move_scores
from tlbench.store.integrity import set_aside, write_sealed
from tlbench.store.manifest import (
    MANIFEST,
    Manifest,
    finished_keys,
    is_cross_fitted,
    read_manifest,
    rows_damage,
    stage_damage,
    weights_damage,
    with_checksums,
    without_weights,
)
from tlbench.store.work import CHECKPOINT, open_work_folder

__all__ = ["CHECKPOINT", "WORK", "Store", "store_of"]

WORK = ".work"


class Store:
    """A folder of finished stages; one that can't be written can still be read."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.work = self.root / WORK

    def make_writable(self) -> None:
        """Create the folder if need be, and make sure that it can be written.

        Raises:
            UserError: if it can't.
        """
        try:
            probe_writing(self.work)
        except OSError as error:
            raise UserError(
                f"Change store_dir: {self.root} can't be written ({error.strerror})."
            ) from error

    def folder(self, key: str) -> Path:
        return self.root / key

    def weights(self, key: str, task: str) -> Path:
        """Return the folder of a task's best weights in a finished stage."""
        return self.folder(key) / "weights" / task

    def find(
        self, key: str, weights_of: Collection[str] = (), cross_fit: bool = False
    ) -> Manifest | None:
        """Return the manifest of a finished stage; None if it is absent or damaged.

        Args:
            weights_of: count a stage that has not kept these tasks' best weights as absent, unless
                it has diverged, so that nothing may start from it.
            cross_fit: count a stage without cross-fitted scores as absent, unless it has diverged.

        Raises:
            UserError: if there is no permission to read it.
        """
        try:
            manifest = read_manifest(self.folder(key), key)
        except ValueError:
            return None
        # A stage that has diverged kept no weights, and training it again would not help.
        if manifest is None or manifest.get("diverged"):
            return manifest
        if cross_fit and not is_cross_fitted(manifest):
            return None
        return manifest if set(weights_of) <= set(manifest["weights"]) else None

    def find_sound(
        self, key: str, weights_of: Collection[str] = (), cross_fit: bool = False
    ) -> Manifest | None:
        """Return the same as ``find``; None also if these tasks' weights, or rows, are damaged."""
        manifest = self.find(key, weights_of, cross_fit)
        folder = self.folder(key)
        if manifest and any(weights_damage(folder, manifest, task) for task in weights_of):
            return None
        return None if manifest and rows_damage(folder, manifest) else manifest

    def finished(self) -> list[str]:
        """Return the keys of all finished stages, damaged ones among them.

        Raises:
            UserError: if there is no permission to read the store.
        """
        return finished_keys(self.root)

    def stages(self, without: Collection[str] = ()) -> Iterator[Manifest]:
        """Yield the manifest of every finished stage that is not damaged, by key.

        Args:
            without: the keys of stages that are not looked at.
        """
        for key in self.finished():
            manifest = None if key in without else self.find(key)
            if manifest is not None:
                yield manifest

    def damage(self, key: str) -> list[str]:
        """Return what is wrong with a finished stage: missing or changed files; [] if nothing."""
        return stage_damage(self.folder(key), key)

    @contextmanager
    def claim(self, key: str) -> Iterator[Claim]:
        """Hold the claim on a stage, after waiting for any other process that holds it.

        Raises:
            UserError: if the store can't be written.
            ClaimLostError: if another process has taken over the claim, and so the stage.
        """
        self.make_writable()
        with claims.hold(self._claim_file(key), f"stage {key}") as claim:
            yield claim

    def is_claimed(self, key: str) -> bool:
        """Return whether a process that may be alive holds the claim on a stage."""
        return claims.is_held(self._claim_file(key))

    def _claim_file(self, key: str) -> Path:
        return self.work / f"{key}.claim"

    @contextmanager
    def work_folder(self, key: str, claim: Claim) -> Iterator[Path]:
        """Yield a folder to train a stage in, as ``open_work_folder`` does.

        Raises:
            ClaimLostError: if the claim is lost; so does every method that takes a claim.
        """
        claim.check()
        with open_work_folder(self.work, key) as folder:
            yield folder

    def commit(self, key: str, work: Path, manifest: Manifest, claim: Claim) -> Manifest:
        """Write a stage's manifest with checksums into ``work``, and rename that into place.

        Args:
            key: of the stage.
            work: the folder that holds its files; all of them belong to it from now on.
            manifest: what ``stage.json`` is to hold beside key and checksums.
            claim: on the stage.

        Returns:
            The manifest that is in the store now: of this copy, or of another process's that has
            finished first.
        """
        claim.check()
        for task in manifest["weights"]:
            if not (work / "weights" / task).is_dir():
                raise FileNotFoundError(f"{work}: the weights of {task} are missing")
        manifest = with_checksums(key, manifest, work)
        write_sealed(work / MANIFEST, manifest)
        claim.check()  # again: checksums take time
        try:
            # Atomic, and fails where a stage is already: of several processes one succeeds.
            work.rename(self.folder(key))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return self._replace(key, work, manifest, claim)
        return manifest

    def _replace(self, key: str, work: Path, manifest: Manifest, claim: Claim) -> Manifest:
        """Put a stage in the place of one that is damaged, or has fewer weights or scores."""
        present = self.find(key)
        if present is not None:
            has_weights = set(manifest["weights"]) <= set(present["weights"])
            if has_weights and is_cross_fitted(present) >= is_cross_fitted(manifest):
                return present
        self.set_aside_damaged(key, claim)
        target = self.folder(key)
        replaced = self.work / f"replaced-{key}-{uuid.uuid4().hex[:8]}"
        if target.exists():  # it is sound, without all that this copy has
            target.rename(replaced)
        work.rename(target)
        then, now = (present or {}).get("files", {}), manifest["files"]
        move_scores(replaced, target, {name for name in now if now[name] == then.get(name)})
        shutil.rmtree(replaced, ignore_errors=True)
        return manifest

    def set_aside_damaged(self, key: str, claim: Claim) -> None:
        """Rename a stage, if it is damaged, so that it can be trained again."""
        if problems := self.damage(key):
            claim.check()
            set_aside(self.folder(key), self.root, "; ".join(problems))

    def drop_weights(self, key: str) -> None:
        """Remove a stage's weights; its scores and predictions stay."""
        manifest = self.find(key)
        if manifest is None:
            return
        # The manifest first: if this is interrupted, files that it does not list do no harm.
        write_sealed(self.folder(key) / MANIFEST, without_weights(manifest))
        shutil.rmtree(self.folder(key) / "weights", ignore_errors=True)


def store_of(config: Config) -> Store:
    """Return the store of an experiment."""
    return _open(config.store_dir)


_open = cache(Store)  # one object for each path, so that the stores of a plan can be told apart
