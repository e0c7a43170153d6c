"""The command ``tlbench``: compose a config with Hydra and run its job."""

import os
import sys

import hydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from tlbench.config.arguments import arguments_for_hydra
from tlbench.config.refusals import in_one_sentence
from tlbench.config.search_path import CONF_DIR
from tlbench.config.task_files import check_files
from tlbench.errors import UserError
from tlbench.store.disk import check_working_folder, writing

_NO_TRIAL = "No trials are completed yet."  # what Optuna raises at the end of such a search


@hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="config")
def _job(cfg: DictConfig) -> float | None:
    from tlbench.jobs.job import run_job  # composing, --help and completion do without it

    return run_job(cfg)


def main() -> None:
    """Run the command line; one sentence and exit code 1 for what the user can change."""
    try:
        check_working_folder()
        sys.argv[1:] = arguments_for_hydra(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    check_files()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print a traceback of what is said below
    try:
        with writing("hydra.run.dir", "the output folder"):
            _job()
    except CompactHydraException as error:
        print(in_one_sentence(error, sys.argv[1:]), file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        if str(error) != _NO_TRIAL:
            raise
        print("No trial of the search has a score: see above why they failed.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Interrupted; the same command again does what is missing.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
