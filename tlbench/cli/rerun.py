"""The command ``tlbench-rerun``: run the experiment of a record again and compare the scores.

The record alone says what to run: it becomes a config of its own, in a folder of its own under
``multirun/rerun``, with an empty store beside, so that every stage is trained again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tlbench.cli.exits import exit_code
from tlbench.cli.parser import new_parser
from tlbench.cli.rerun_differences import differences
from tlbench.console import say
from tlbench.errors import UserError
from tlbench.records.older import by_present_rules
from tlbench.records.packing import PACKED, packed_record
from tlbench.records.places import given_anew
from tlbench.records.record import RECORD_FILE, ResultRecord, read_record
from tlbench.records.rerun_config import prepare_rerun, run_config


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 if the score is the same, 1 with a sentence if not."""
    options = parser().parse_args(arguments)
    return exit_code(lambda: _rerun(options.record, options.overrides, options.trust))


def _rerun(file: Path, overrides: Sequence[str], trust: bool) -> None:
    packed = next((one for one in (file, *file.parents) if one.suffix == PACKED), None)
    if packed and not file.is_dir():
        old = _usable(packed_record(packed, str(file.relative_to(packed))), file)
    else:
        old = _read(file / RECORD_FILE if file.is_dir() else file)
    old, overrides = given_anew(old, overrides)
    folder = prepare_rerun(old, trust=trust)
    say(f"running it again in {folder}, with a store of its own")
    new = run_config(folder, overrides, trust=trust)
    _compare(by_present_rules(old), new)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = new_parser("tlbench-rerun", __doc__)
    parser.add_argument(
        "record",
        type=Path,
        help="a result.json, the folder that it is in, or one of a file that --pack has written: "
        "study.parquet/rte-single-seed0-8c1d40aa",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run code that the record names, also from outside tlbench, torch, TorchJD, "
        "torchmetrics and Lightning, and code among its encoder's files",
    )
    parser.add_argument("overrides", nargs="*", help="values to change: trainer.accelerator=cpu")
    return parser


def _read(file: Path) -> ResultRecord:
    """Return a record that can be run again.

    Raises:
        UserError: if the file holds none.
    """
    return _usable(read_record(file), file)


def _usable(record: ResultRecord, name: Path) -> ResultRecord:
    if record.status == "failed" or not record.config:
        raise UserError(f"Give another record: {name} is of a failed job, or holds no config.")
    return record


def _compare(old: ResultRecord, new: ResultRecord) -> None:
    """Print the scores and what differs.

    Raises:
        UserError: if the scores differ.
    """
    then_and_now = f"{_outcome(old)} then, {_outcome(new)} now"
    say(f"score: {then_and_now}")
    differing = differences(old, new)
    for name, (then, now) in differing.items():
        say(f"{name}: {then or 'not known'} then, {now or 'not known'} now")
    if old.test:
        say(f"test score: {_test(old)} then, {_test(new)} now")
        then_and_now += f"; of test rows {_test(old)} then, {_test(new)} now"
    if _outcome(old) == _outcome(new) and (not old.test or _test(old) == _test(new)):
        say("The score is the same.")
        return
    reason = f"what differs: {', '.join(differing) or 'nothing that the record holds'}"
    raise UserError(f"The score is not the same: {then_and_now}; {reason}.")


def _test(record: ResultRecord) -> str:
    return str(record.test["score"]) if record.test else "no score"


def _outcome(record: ResultRecord) -> str:
    return str(record.score) if record.outcome == "scored" else record.outcome


if __name__ == "__main__":
    sys.exit(main())
