"""The command ``tlbench-rerun``: run the experiment of a record again and compare the scores.

The record alone says what to run: it becomes a config of its own, in a folder of its own under
``multirun/rerun``, with an empty store beside, so that every stage is trained again.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.identity import job_folder_name
from tlbench.config.schema import Task
from tlbench.config.validation import checked
from tlbench.console import say
from tlbench.errors import UserError
from tlbench.records.older import by_present_rules
from tlbench.records.record import CONDITIONS, RECORD_FILE, ResultRecord, read_record
from tlbench.tasks.definition import check_task

FOLDER = Path("multirun") / "rerun"
_PLAIN = [{"override hydra/job_logging": "plain"}, {"override hydra/hydra_logging": "plain"}]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if the score is the same, 1 with a sentence if not."""
    options = parser().parse_args(arguments)
    try:
        file = Path(options.record)
        old = _read(file / RECORD_FILE if file.is_dir() else file)
        folder = _prepare(old)
        new = _run(folder, options.overrides)
        _compare(by_present_rules(old), new)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the same command again goes on where it was.", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    found = argparse.ArgumentParser(prog="tlbench-rerun", description=__doc__)
    found.add_argument("record", help="a result.json, or the folder that it is in")
    found.add_argument("overrides", nargs="*", help="values to change: trainer.accelerator=cpu")
    return found


def _read(file: Path) -> ResultRecord:
    record = read_record(file)
    if record.status == "failed" or not record.config:
        raise UserError(f"Give another record: {file} is of a failed job, or holds no config.")
    return record


def _prepare(record: ResultRecord) -> Path:
    """Write the record as a config, into a folder of its own; that folder.

    A rerun that was finished is done again; one that was interrupted is gone on with.
    """
    folder = FOLDER / job_folder_name(record.config)
    if (folder / RECORD_FILE).exists():
        shutil.rmtree(folder)
    options = folder / "conf" / "target_task"
    options.mkdir(parents=True, exist_ok=True)
    for name, definition in record.tasks.items():
        task = checked(Task, OmegaConf.create(definition), f"tasks.{name}")
        check_task(task)  # its name is that of a file
        OmegaConf.save(OmegaConf.structured(task), options / f"{task.name}.yaml")
    try:
        config = OmegaConf.create(_config(record, folder))
    except OmegaConfBaseException as error:
        raise UserError(f"Give another record: its config can't be used ({error}).") from error
    OmegaConf.save(config, folder / "conf" / "record.yaml")
    return folder


def _config(record: ResultRecord, folder: Path) -> dict[str, Any]:
    """The record's config with places of its own, and nothing that only its job needed.

    It takes over the conditions under which the last stage was trained, and the hub's commit; what
    a folder holds now is found out again, so that other files are named and not refused.
    """
    config = record.config
    own = {
        "store_dir": str(folder / "store"),
        "cache_dir": str(folder / "cache"),
        "logger": {"_target_": None},
        "only_stage": None,
        "trainer": config.get("trainer", {}) | _conditions(record, "threads", "devices"),
        "encoder": config.get("encoder", {}) | _files(record),
        **_conditions(record, "micro_batch_size"),
    }
    hydra = {"run": {"dir": str(folder)}, "job": {"name": "tlbench", "chdir": False}}
    return {"defaults": [*_PLAIN, "_self_"], **config, **own, "hydra": hydra}


def _conditions(record: ResultRecord, *names: str) -> dict[str, Any]:
    """Those of the last stage that are known; of an older record none."""
    last = record.stages[-1] if record.stages else {}
    return {name: last[name] for name in names if last.get(name) is not None}


def _files(record: ResultRecord) -> dict[str, str | None]:
    """Which of an encoder's files are read: the hub's at the record's commit."""
    kind, _, commit = (record.encoder_identity or "").partition("+")[0].partition(":")
    return {"identity": None} | ({"revision": commit} if kind == "commit" else {})


def _run(folder: Path, overrides: Sequence[str]) -> ResultRecord:
    """Run the config of a folder as a user would; its record."""
    place = ["--config-dir", str(folder / "conf"), "--config-name", "record"]
    say(f"running it again in {folder}, with a store of its own")
    command = [sys.executable, "-m", "tlbench", *place, *overrides]
    # Fixed words and no shell; the overrides are the user's own, as for tlbench.
    if subprocess.run(command).returncode:  # noqa: S603  # nosec B603
        raise UserError(f"The rerun has failed, as it says above and in {folder / 'tlbench.log'}.")
    return read_record(folder / RECORD_FILE)


def _compare(old: ResultRecord, new: ResultRecord) -> None:
    """Print what was then and what is now.

    Raises:
        UserError: if the scores differ.
    """
    then_and_now = f"{_found(old)} then, {_found(new)} now"
    say(f"score: {then_and_now}")
    other = differences(old, new)
    for name, (then, now) in other.items():
        say(f"{name}: {then or 'not known'} then, {now or 'not known'} now")
    if _found(old) == _found(new):
        say("The score is the same.")
        return
    reason = f"what differs: {', '.join(other) or 'nothing that the record knows of'}"
    raise UserError(f"The score is not the same: {then_and_now}; {reason}.")


def _found(record: ResultRecord) -> str:
    return str(record.score) if record.outcome == "scored" else record.outcome


def differences(old: ResultRecord, new: ResultRecord) -> dict[str, tuple[Any, Any]]:
    """What differs of files, rows, versions and conditions: name to (then, now).

    Stages differ by their rows and by overrides: their keys hash what they were made of. What each
    was trained under is compared for every stage, if the older record says it.
    """
    then, now = (_told(record) for record in (old, new))
    if old.digests:
        then |= _rows(old)
        now |= _rows(new)
    if old.stages and len(old.stages) == len(new.stages):
        for one, other in zip(old.stages, new.stages, strict=True):
            then |= _told_of_stage(one)
            now |= _told_of_stage(other)
    names = sorted({*then, *now})
    return {n: (then.get(n), now.get(n)) for n in names if then.get(n) != now.get(n)}


def _told(record: ResultRecord) -> dict[str, Any]:
    own = {
        "git revision": record.git_revision,
        "device": record.device,
        "stages": " ".join(record.stage_keys),
    }
    if record.encoder_identity:
        own["encoder files"] = record.encoder_identity
    return {**record.versions, **own}


def _rows(record: ResultRecord) -> dict[str, str]:
    return {
        f"rows of {task}, {split}": digest[:8]
        for task, splits in record.digests.items()
        for split, digest in splits.items()
    }


def _told_of_stage(stage: dict[str, Any]) -> dict[str, Any]:
    told = {name: stage.get(name) for name in CONDITIONS} | (stage.get("versions") or {})
    return {f"{stage['title']}: {name}": value for name, value in told.items()}


if __name__ == "__main__":
    sys.exit(main())
