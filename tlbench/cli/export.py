"""The command ``tlbench-export``: from a record, or a study's answer, to a model for transformers.

What a study names for a target is the best guess of its verdict; of its seeds the best by dev is
taken. Where the store has not kept the weights, the stage is trained again.
"""

import argparse
import sys
from pathlib import Path

from tlbench.cli.exits import exit_code
from tlbench.cli.parser import new_parser
from tlbench.console import notice, say
from tlbench.errors import UserError
from tlbench.records.record import RECORD_FILE


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if there is a model, else 1 and one sentence that says why not."""
    options = parser().parse_args(arguments)
    return exit_code(lambda: _export(options))


def parser() -> argparse.ArgumentParser:
    """Return what reads the command's arguments."""
    arguments = new_parser("tlbench-export", __doc__)
    arguments.add_argument(
        "source", type=Path, help="a result.json, the folder that it is in, or a study's folder"
    )
    arguments.add_argument("--target", metavar="TASK", help="of a study: the target")
    arguments.add_argument("--seed", type=int, help="of a study: the run of this seed")
    arguments.add_argument(
        "--task", help="another task of a multi-task stage: its own best weights and head"
    )
    arguments.add_argument(
        "--trust", action="store_true", help="run code that the record names, also from elsewhere"
    )
    arguments.add_argument("--out", type=Path, required=True, help="the new folder")
    arguments.add_argument("--push", metavar="REPO", help="also upload it to the hub: owner/name")
    arguments.add_argument("--public", action="store_true", help="a new REPO is seen by all")
    return arguments


def _export(options: argparse.Namespace) -> None:
    from tlbench.export.chosen import of_record, of_study
    from tlbench.export.export import export
    from tlbench.export.weights import with_weights

    source: Path = options.source
    if options.out.exists():
        raise UserError(f"Change --out: {options.out} is there already.")
    if source.suffix == ".parquet":
        raise UserError(f"Give a study's folder: {source} holds records, and no weights.")
    if source.is_file() or (source / RECORD_FILE).exists():
        if options.target is not None or options.seed is not None:
            raise UserError("Leave out --target and --seed: they choose among a study's records.")
        chosen = of_record(source, options.task, options.trust)
    else:
        chosen = of_study(source, options.target, options.seed, options.task, options.trust)
        say(chosen.how)
        for warning in chosen.warnings:
            notice(warning)
    chosen = with_weights(chosen)
    export(chosen, options.out, options.push or "")
    say(f"{chosen.task.name} of {chosen.file} in {options.out}")
    if options.push:
        from tlbench.export.push import push

        say(push(options.out, options.push, private=not options.public))


if __name__ == "__main__":
    sys.exit(main())
