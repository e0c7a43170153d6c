"""Scores of a finished stage's best weights on test rows, in a folder inside the stage's own.

``test/<task>-<digest of the rows>`` holds ``scores.json`` and the predictions. It goes wherever
the stage goes: a stage that is removed, or trained again, has no test scores of other weights.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from tlbench.store.integrity import file_damage, set_aside, unseal, write_sealed
from tlbench.store.manifest import Manifest, checksums_below

SCORES = "scores.json"
_FOLDER = "test"
_DIGITS = 16  # of the digest, in a folder's name


def scores_folder(stage: Path, task: str, digest: str) -> Path:
    """Return where in a stage's folder the scores on the test rows of a digest belong."""
    return stage / _FOLDER / f"{task}-{digest[:_DIGITS]}"


def find_scores(stage: Path, task: str, digest: str) -> Manifest | None:
    """Return what ``scores.json`` holds; None if it, or a file beside it, is absent or damaged."""
    folder = scores_folder(stage, task, digest)
    return None if scores_damage(folder) else _read(folder)


def scores_damage(folder: Path) -> list[str]:
    """Return what is wrong with the files of test scores; [] if nothing is."""
    try:
        return file_damage(folder, _read(folder)["files"])
    except (OSError, ValueError, KeyError) as error:
        return [f"{SCORES} can't be read ({error})"]


def commit_scores(stage: Path, work: Path, scores: Manifest) -> None:
    """Write test scores with checksums into ``work``, and rename that into the stage's folder.

    Args:
        stage: the stage's folder; the caller holds the claim on it.
        work: the folder that holds the predictions.
        scores: with ``task`` and ``digest``.
    """
    write_sealed(work / SCORES, {**scores, "files": checksums_below(work)})
    target = scores_folder(stage, scores["task"], scores["digest"])
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        set_aside(target, stage.parent, "; ".join(scores_damage(target)))
    work.rename(target)


def move_scores(old: Path, new: Path, same: Collection[str]) -> None:
    """Move test scores from a stage's folder into that of its replacement.

    Args:
        old: which may be gone.
        new: without test scores.
        same: the files, by their names in both, that are the same: the weights of a task are those
            of before if its predictions are.
    """
    for scored in scores_folders(old):
        task = scored.name.rpartition("-")[0]
        if f"predictions/{task}.parquet" in same:
            (new / _FOLDER).mkdir(exist_ok=True)
            scored.rename(new / _FOLDER / scored.name)


def scores_folders(stage: Path) -> Iterator[Path]:
    """Yield the folders of all test scores of a stage."""
    yield from sorted((stage / _FOLDER).glob("*"))


def sound_scores(stage: Path) -> Iterator[Manifest]:
    """Yield what every ``scores.json`` of a stage holds, but for damaged ones."""
    for folder in scores_folders(stage):
        if not scores_damage(folder):
            yield _read(folder)


def _read(folder: Path) -> Manifest:
    return unseal(json.loads((folder / SCORES).read_text("utf-8")))
