"""What is said of a task's file that is not there."""

from difflib import get_close_matches
from pathlib import Path

from tlbench.config.schema import Task
from tlbench.data.readers import FILE_FORMATS, format_by_name
from tlbench.errors import UserError
from tlbench.tasks.splits import key_of


def no_such_path(task: Task) -> UserError:
    """Return a sentence about a ``source.path`` at which there is nothing."""
    place = Path(task.source.path)
    key = f"source.path of task '{task.name}'"
    if task.source.format == "tsv":
        key += " (for GLUE's files: suite.root)"
    missing, end = _there_is_no(place)
    if task.source.format is None and format_by_name(place) is None:
        missing += " (a dataset of the hub has source.format=hub)"
    return UserError(f"Change {key}: {missing}{end}")


def no_train_file(task: Task) -> UserError:
    """Return a sentence about a folder in which no file is called train."""
    names = ", ".join(f"train.{name}" for name in FILE_FORMATS)
    return UserError(
        f"Change source.path of task '{task.name}', or add source.train: the folder "
        f"{task.source.path} has none of {names}."
    )


def no_such_file(task: Task, split: str, file: Path) -> UserError:
    """Return a sentence about the file of a split, beside others that are there."""
    key = key_of(task, split)
    where = f"source.{key}"
    origins = {"train": task.source.train, "dev": task.source.dev}
    missing, end = _there_is_no(file)
    if key in origins and origins[key] is None:
        more = "a fraction to cut off train, or " if split == "dev" else ""
        return UserError(f"Add {where} to task '{task.name}': {missing}; give {more}another file.")
    return UserError(f"Change {where} of task '{task.name}': {missing}{end}")


def _there_is_no(path: Path) -> tuple[str, str]:
    """Return the first part of a path that is missing, and how the sentence about it ends.

    That is with the name of what is called like it, beside it.
    """
    missing = path
    while missing.parent != missing and not missing.parent.is_dir():
        missing = missing.parent
    kind = "file" if missing == path and path.suffix else "folder"
    try:
        beside = sorted(one.name for one in missing.parent.iterdir())
    except OSError:  # a folder whose names can't be read offers none
        beside = []
    stems = get_close_matches(_stem(missing.name), {_stem(name) for name in beside})
    alike = [name for name in beside if _stem(name) in stems]
    close = get_close_matches(missing.name, alike, 1, 0)
    return f"there is no {kind} {missing}", f"; did you mean {close[0]}?" if close else "."


def _stem(name: str) -> str:
    """Return a file's name without its suffixes, which most files beside it have too."""
    return name.partition(".")[0] or name
