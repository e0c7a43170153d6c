"""The command ``tlbench-report``: from result records to tables, figures and one page."""

import argparse
import sys
from pathlib import Path

from tlbench.errors import UserError
from tlbench.store.disk import writing

_SHOWN = 5  # unreadable files, one by one


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if there is a report, else 1 and one sentence that says why not."""
    options = _parser().parse_args(arguments)
    try:
        if options.pack and options.pack.suffix != ".parquet":
            raise UserError(f"Change --pack: {options.pack} does not end in .parquet.")
        _report(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tlbench-report", description=__doc__)
    parser.add_argument(
        "study",
        nargs="+",
        type=Path,
        help="folders with result records below, or files of them that --pack has written",
    )
    parser.add_argument("--out", type=Path, default=Path("report"), help="where to write it")
    parser.add_argument(
        "--by",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY",
        help="a part for each value of a config key or group (encoder, sampling.name), or of "
        "study, device, conditions, versions, git_revision",
    )
    parser.add_argument(
        "--pack",
        type=Path,
        metavar="FILE",
        help="also write all records into one .parquet file, which gives the same report",
    )
    parser.add_argument("--wandb", action="store_true", help="also log it as a W&B run")
    return parser


def _report(options: argparse.Namespace) -> None:
    from tlbench.analysis.collect import collect
    from tlbench.analysis.study import analyse_study
    from tlbench.report.report import write_report

    study = collect(options.study)
    for problem in study.problems[:_SHOWN]:
        print(problem, file=sys.stderr)
    if len(study.problems) > _SHOWN:
        print(f"{len(study.problems) - _SHOWN} more files can't be read.", file=sys.stderr)
    analyses = analyse_study(study, options.by)
    for analysis in analyses:
        for notice in analysis.notices:
            print(f"{analysis.name}: {notice}" if analysis.name else notice, file=sys.stderr)
    with writing("--out", options.out):
        report = write_report(study, analyses, options.out)
    for analysis in analyses:
        for advice in analysis.advice:
            part = f"{analysis.name}: " if analysis.name else ""
            target = f"{part}{advice.target} ({advice.target_rows:,} rows)"
            print(f"{target}: {advice.do} [{advice.verdict}] {advice.reason}")
    print(f"report: {report.page}")
    if options.pack:
        from tlbench.records.packing import pack

        with writing("--pack", options.pack):
            print(f"{pack(options.study, options.pack)} records: {options.pack}")
    if options.wandb:
        from tlbench.report.wandb import log_report

        log_report(study, report)


if __name__ == "__main__":
    sys.exit(main())
