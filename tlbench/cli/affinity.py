"""The command ``tlbench-affinity``: which tasks to train together, predicted from studies.

It reads studies in which tasks were trained alone and, some of them, in pairs; predicts the gains
of pairs, says how good such predictions are, and proposes groups.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tlbench.cli.exits import exit_code
from tlbench.cli.parser import new_parser
from tlbench.errors import UserError
from tlbench.predictors.pair_features import DEFAULT, FEATURES, NEEDS

if TYPE_CHECKING:
    import pandas as pd

    from tlbench.predictors.affinity import Error
    from tlbench.predictors.grouping import Grouping

_TEXTS = "texts"
_OF_RECORDS = [name for name in FEATURES if name != _TEXTS]
_MOST = 6  # groups: with more of them a task's gain is that of its best pair


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if there is an answer, else 1 and one sentence that says why not."""
    options = parser().parse_args(arguments)
    return exit_code(lambda: _propose(options))


def parser() -> argparse.ArgumentParser:
    """Return what reads the command's arguments."""
    arguments = new_parser("tlbench-affinity", __doc__)
    arguments.add_argument(
        "study",
        nargs="+",
        type=Path,
        help="folders with result records below, or files of them that tlbench-report has packed",
    )
    arguments.add_argument(
        "--groups", type=int, default=2, metavar="N", help="at most so many (default: %(default)s)"
    )
    arguments.add_argument(
        "--features",
        default=",".join(DEFAULT),
        metavar="A,B",
        help=f"what gains are predicted from: some of {', '.join(_OF_RECORDS)}, as far as the "
        "records have them (default: %(default)s)",
    )
    arguments.add_argument(
        "--texts",
        nargs="*",
        metavar="OVERRIDE",
        help="predict from how alike the tasks' texts are, too: the rows and the encoder that the "
        "records name are read; suite.root=/data/glue says where they are now",
    )
    arguments.add_argument(
        "--trust",
        action="store_true",
        help="with --texts, run code that the records name, also from outside tlbench",
    )
    arguments.add_argument(
        "--strategy",
        default="mtl",
        help="whose gains are predicted, by its name in records (default: %(default)s)",
    )
    return arguments


def _propose(options: argparse.Namespace) -> None:
    from tlbench.analysis.collect import collect
    from tlbench.predictors.affinity import judged, predicted, trained_groups
    from tlbench.predictors.grouping import best_groups
    from tlbench.predictors.pairs import pair_gains

    if not 1 <= options.groups <= _MOST:
        raise UserError(f"Change --groups: it is a number from 1 to {_MOST}.")
    asked = _asked(options)
    table = collect(options.study).table
    pairs = pair_gains(table, options.strategy, _texts(options, table))
    groups = _usable(asked, pairs)
    pairs = pairs.assign(predicted=predicted(pairs, groups=groups))
    _print_pairs(pairs)
    _print_errors(judged(pairs, groups))
    said = {(p.target, p.support): float(p.predicted) for p in pairs.itertuples()}
    best = pairs.gain.fillna(pairs.predicted)
    known = dict(zip(said, best.tolist(), strict=True))
    _print_trained(trained_groups(table, said))
    _print_groups(best_groups(known, options.groups))


def _asked(options: argparse.Namespace) -> list[str]:
    """Return the groups of features that are asked for, each once.

    Raises:
        UserError: if there is no such group.
    """
    asked = options.features.split(",")
    for name in asked:
        if name not in _OF_RECORDS:
            raise UserError(
                f"Change --features: '{name}' is none of {', '.join(_OF_RECORDS)} (and texts are "
                "asked for by --texts)."
            )
    return [*dict.fromkeys(asked), *([] if options.texts is None else [_TEXTS])]


def _texts(
    options: argparse.Namespace, table: "pd.DataFrame"
) -> dict[tuple[str, str], float] | None:
    if options.texts is None:
        return None
    from tlbench.console import show_or_hide_progress_bars
    from tlbench.predictors.texts import text_similarities

    for text in options.texts:
        if not text.partition("=")[1]:
            raise UserError(
                f"Change --texts: '{text}' is no override as key=value (studies come first)."
            )
    show_or_hide_progress_bars(None)
    return text_similarities(options.study, table, options.texts, options.trust)


def _usable(asked: list[str], pairs: "pd.DataFrame") -> list[str]:
    """Return the groups of features that are asked for and known, and say which these are.

    Raises:
        UserError: if that is none.
    """
    from tlbench.console import say
    from tlbench.predictors.pairs import known_groups

    known = known_groups(pairs)
    used = [name for name in asked if name in known]
    absent = [NEEDS.get(name, name) for name in asked if name not in known]
    if not used:
        raise UserError(
            f"Change --features: the records do not have {', '.join(absent)}; they "
            f"have {', '.join(known)}."
        )
    say("predicted from: " + "; ".join(f"{name} ({', '.join(FEATURES[name])})" for name in used))
    if absent:
        say(f"left out, as the records do not have them: {', '.join(absent)}")
    return used


def _print_pairs(pairs: "pd.DataFrame") -> None:
    from rich.table import Table

    from tlbench.console import console, points

    table = Table(title="Gain of each target from each support, in points: measured (predicted)")
    supports = sorted(pairs.support.unique())
    for name in ("target", *supports):
        table.add_column(name, justify="left" if name == "target" else "right")
    cells = {
        (p.target, p.support): f"{'-' if p.gain != p.gain else points(p.gain, signed=True)} "
        f"({points(p.predicted, signed=True)})"
        for p in pairs.itertuples()
    }
    for target in sorted(pairs.target.unique()):
        table.add_row(target, *(cells.get((target, support), "") for support in supports))
    console().print(table)


def _print_errors(errors: "list[Error]") -> None:
    from rich.table import Table

    from tlbench.console import console, points

    table = Table(title="How good predictions are, each target left out")
    for name in ("predictor", "pairs", "off by, points", "variance explained", "side right"):
        table.add_column(name, justify="left" if name == "predictor" else "right")
    for one in errors:
        shares = f"{one.explained:.0%}", f"{one.right_side:.0%}"
        table.add_row(one.predictor, str(one.pairs), points(one.absolute), *shares)
    console().print(table)


def _print_trained(groups: "pd.DataFrame") -> None:
    from tlbench.console import points, say

    for group, part in groups.groupby("group"):
        said = ", ".join(
            f"{one.target} {points(one.gain, signed=True)} ({points(one.predicted, signed=True)})"
            for one in part.itertuples()
        )
        say(f"trained together, measured (predicted): {group}: {said}")


def _print_groups(found: "Grouping") -> None:
    from tlbench.console import points, say

    if not found.groups:
        say("groups: none: no task is predicted to gain from another")
        return
    alone = [name for name, gain in found.gains.items() if gain == 0]
    say(f"groups: the tasks gain {points(found.total, signed=True)} points in all")
    for group in found.groups:
        gaining = [name for name in group if found.gains[name] > 0]
        gains = [f"{name} {points(found.gains[name], signed=True)}" for name in gaining]
        say(f"  {'+'.join(group)}: {', '.join(gains)}")
        words = f"'strategy.tasks=[{','.join(group)}]' target_task={','.join(gaining)}"
        say(f"    tlbench -m strategy=mtl_all {words}")
    if alone:
        say(f"  better alone: {', '.join(alone)}")


if __name__ == "__main__":
    sys.exit(main())
