"""The command ``tlbench``: compose a config with Hydra and run its job."""

import hydra
from omegaconf import DictConfig

from tlbench.config import CONF_DIR


@hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name="config")
def main(cfg: DictConfig) -> float | None:
    """Run one job; the target's score, for sweepers that optimise it."""
    from tlbench.job import run_job  # composing, --help and completion do without it

    return run_job(cfg)


if __name__ == "__main__":
    main()
