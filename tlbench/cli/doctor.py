"""The command ``tlbench-doctor``: what this machine can do for tlbench, and what to set.

It changes and downloads nothing. To know the fastest precision it trains for some seconds; the
files of that, and of a trial where the store is or will be, are removed at once.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tlbench.cli.exits import exit_code
from tlbench.cli.parser import new_parser
from tlbench.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 1 and one sentence if there is a problem."""
    options = parser().parse_args(arguments)
    return exit_code(lambda: _doctor(options))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = new_parser("tlbench-doctor", __doc__)
    store, out = Path("multirun/.store"), Path("multirun")
    arguments.add_argument("--store", type=Path, default=store, help="the store_dir of your runs")
    arguments.add_argument("--out", type=Path, default=out, help="their output folder")
    arguments.add_argument(
        "--no-measure",
        dest="measure",
        action="store_false",
        help="train nothing, and leave out which precision is fastest",
    )
    arguments.add_argument(
        "--json", action="store_true", help="a JSON object for each, a line each"
    )
    return arguments


def _doctor(options: argparse.Namespace) -> None:
    from tlbench.doctor.examine import examine

    problems = 0
    for finding in examine(options.store, options.out, options.measure):
        print(json.dumps(asdict(finding)) if options.json else finding.line(), flush=True)
        problems += finding.level == "problem"
    if problems:
        what = "the problem" if problems == 1 else f"the {problems} problems"
        raise UserError(f"Mend {what} that the lines above name.")


if __name__ == "__main__":
    sys.exit(main())
