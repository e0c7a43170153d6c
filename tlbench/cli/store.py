"""The command ``tlbench-store``: list, verify and prune the finished stages."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tlbench.cli import store_prune, store_verify
from tlbench.cli.parser import new_parser
from tlbench.errors import UserError
from tlbench.store.disk import check_working_folder
from tlbench.store.store import WORK, Store


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0, or 1 if damage was found or the store does not exist."""
    options = parser().parse_args(arguments)
    try:
        check_working_folder()
        code: int = options.run(_open(options.store), options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"Change the permissions of {error.filename}, or --store: {error}", file=sys.stderr)
        return 1
    return code


def _open(folder: Path) -> Store:
    """Return the store in a folder.

    Raises:
        UserError: if there is none: in any other folder, prune would remove what is not ours.
    """
    if not folder.is_dir():
        raise UserError(f"Change --store: {folder} does not exist.")
    if not (folder / WORK).is_dir():
        raise UserError(f"Change --store: {folder} is no store, the store_dir of a run.")
    return Store(folder)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = new_parser("tlbench-store", __doc__)
    default = Path("multirun/.store")
    top.add_argument("--store", type=Path, default=default, help="the store_dir of your runs")
    # Each command's module adds its options, and ``run`` is what main calls.
    commands = top.add_subparsers(required=True)
    ls = commands.add_parser("ls", help="list the finished stages")
    ls.set_defaults(run=_ls)
    verify = commands.add_parser("verify", help="compare all files with their checksums")
    store_verify.add_arguments(verify)
    verify.set_defaults(run=store_verify.run)
    prune = commands.add_parser("prune", help="remove abandoned work, and what the options name")
    store_prune.add_arguments(prune)
    prune.set_defaults(run=store_prune.run)
    return top


def _ls(store: Store, options: argparse.Namespace) -> int:
    table = Table(title=f"Finished stages in {store.root}")
    for column in ("key", "stage", "seed", "scores", "steps", "weights of", "MB"):
        table.add_column(column)
    for manifest in store.stages():
        scores = [f"{name} {_score(task)}" for name, task in manifest["tasks"].items()]
        table.add_row(
            manifest["key"],
            manifest["title"],
            str(manifest.get("seed", manifest.get("ingredients", {}).get("seed", "-"))),
            ", ".join(scores),
            str(manifest["steps"]),
            ", ".join(manifest["weights"]) or "-",
            f"{_megabytes(store.folder(manifest['key'])):.1f}",
        )
    Console(soft_wrap=True).print(table)
    return 0


def _score(task: dict[str, Any]) -> str:
    return "-" if task["score"] is None else f"{100 * task['score']:.1f}"


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
