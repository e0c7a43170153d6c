"""The command ``tlbench-report``: from result records to tables, figures and one page."""

import argparse
import sys
from pathlib import Path

from tlbench.cli.exits import exit_code
from tlbench.cli.parser import new_parser
from tlbench.errors import UserError
from tlbench.records.definitions import COMPARED
from tlbench.store.disk import writing

_SHOWN = 5  # unreadable files, one by one


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if there is a report, else 1 and one sentence that says why not."""
    options = parser().parse_args(arguments)
    return exit_code(lambda: _report(options))


def parser() -> argparse.ArgumentParser:
    """Return what reads the command's arguments."""
    arguments = new_parser("tlbench-report", __doc__)
    arguments.add_argument(
        "study",
        nargs="+",
        type=Path,
        help="folders with result records below, or files of them that --pack has written",
    )
    arguments.add_argument("--out", type=Path, default=Path("report"), help="where to write it")
    arguments.add_argument(
        "--by",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY",
        help="a part for each value of a config key or group (encoder, sampling.name), or of "
        "study, device, conditions, versions, git_revision",
    )
    arguments.add_argument(
        "--compare",
        default=",".join(COMPARED),
        metavar="A,B",
        help="the two strategies, by name, that are compared pair by pair; the size heuristic says "
        "the first for targets smaller than their support (default: %(default)s)",
    )
    arguments.add_argument(
        "--pack",
        type=Path,
        metavar="FILE",
        help="also write all records, with labels and predictions of dev rows, into one .parquet "
        "file, which gives the same report",
    )
    arguments.add_argument(
        "--paths",
        action="store_true",
        help="keep absolute paths and names of users and hosts in what is written",
    )
    arguments.add_argument("--wandb", action="store_true", help="also log it as a W&B run")
    return arguments


def _report(options: argparse.Namespace) -> None:
    from tlbench.analysis.collect import collect
    from tlbench.analysis.study import analyse_study
    from tlbench.report.report import write_report

    if options.pack and options.pack.suffix != ".parquet":
        raise UserError(f"Change --pack: {options.pack} does not end in .parquet.")
    records = collect(options.study, options.paths)
    _print_problems(records.problems)
    analyses = analyse_study(records, options.by, options.compare.split(","))
    for analysis in analyses:
        for notice in analysis.notices:
            print(_of_part(analysis.name, notice), file=sys.stderr)
    with writing("--out", options.out):
        report = write_report(records, analyses, options.out)
    for analysis in analyses:
        for advice in analysis.advice:
            target = _of_part(analysis.name, f"{advice.target} ({advice.target_rows:,} rows)")
            print(f"{target}: {advice.do} [{advice.proved}] {' '.join(advice.sentences)}")
    print(f"report: {report.page}")
    if options.pack:
        from tlbench.records.packing import pack

        with writing("--pack", options.pack):
            count, predicted = pack(options.study, options.pack, options.paths)
        print(f"{count} records, {predicted} with predictions: {options.pack}")
    if options.wandb:
        from tlbench.report.wandb import log_report

        log_report(records, report)


def _print_problems(problems: list[str]) -> None:
    for problem in problems[:_SHOWN]:
        print(problem, file=sys.stderr)
    if len(problems) > _SHOWN:
        print(f"{len(problems) - _SHOWN} more files can't be read.", file=sys.stderr)


def _of_part(name: str, sentence: str) -> str:
    return f"{name}: {sentence}" if name else sentence


if __name__ == "__main__":
    sys.exit(main())
