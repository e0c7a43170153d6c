"""The command ``tlbench-store``: list, show, verify and prune the finished stages."""

import argparse
import sys
from pathlib import Path

from tlbench.cli import store_ls, store_prune, store_show, store_verify
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
    except BrokenPipeError:  # whoever reads the output has seen enough
        sys.stderr.close()
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
    store_ls.add_arguments(ls)
    ls.set_defaults(run=store_ls.run)
    show = commands.add_parser("show", help="say all that is known of one stage")
    store_show.add_arguments(show)
    show.set_defaults(run=store_show.run)
    verify = commands.add_parser("verify", help="compare all files with their checksums")
    store_verify.add_arguments(verify)
    verify.set_defaults(run=store_verify.run)
    prune = commands.add_parser("prune", help="remove abandoned work, and what the options name")
    store_prune.add_arguments(prune)
    prune.set_defaults(run=store_prune.run)
    return top


if __name__ == "__main__":
    sys.exit(main())
