"""Measures what trying only the supports that a predictor likes costs, on a finished study.

python -m benchmarks.predictors --suite-root /data/glue
python -m benchmarks.predictors --suite-root /data/glue --experiment glue_cpu_race --study STUDY

Predictors that read rows read those of the experiment's tasks; those that read finished stages need
their weights in the store.
"""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from benchmarks.race_worlds import STUDY
from tlbench.analysis.collect import collect
from tlbench.doctor.defaults import default_config
from tlbench.plan.build import from_config
from tlbench.plan.experiment import Experiment
from tlbench.predictors.predictions import PREDICTORS, predictions
from tlbench.predictors.regret import regrets
from tlbench.records.definitions import ALL, NONE
from tlbench.sweep.race_priors import of_studies, shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the regret of every predictor, as Markdown."""
    parser = argparse.ArgumentParser("python -m benchmarks.predictors", description=__doc__)
    parser.add_argument("--suite-root", required=True, help="a folder of the official TSV files")
    parser.add_argument("--experiment", default="glue_cpu", help="whose config the study had")
    parser.add_argument("--study", type=Path, default=STUDY, help="its records")
    parser.add_argument("--store", default="multirun/.store", help="its finished stages")
    options = parser.parse_args(arguments)
    table = collect([options.study]).table
    pairs = table[~table.support.isin([NONE, ALL])]
    said: dict[str, dict[str, dict[str, float]]] = {name: {} for name in PREDICTORS}
    said |= of_studies(table)
    for target, part in pairs.groupby("target"):
        seeds, supports = sorted(part.seed.unique()), sorted(part.support.unique())
        experiments = [
            _experiment(options, str(target), support, int(seed))
            for support, seed in itertools.product(supports, seeds)
        ]
        names = [name for name in PREDICTORS if name not in ("size_rule", "earlier")]
        for one in predictions(experiments, predictors=names):
            said[one.predictor][str(target)] = one.by_support
            numbers = ", ".join(f"{name} {n:.3f}" for name, n in one.by_support.items())
            print(f"{target}: {one.predictor}: {numbers}", flush=True)
    found = regrets(table, {name: of for name, of in said.items() if of})
    kept = sorted({one.kept for one in found})
    print(f"\n| predictor | {' | '.join(f'{count} tried' for count in kept)} |")
    print(f"|{'---|' * (1 + len(kept))}")
    for name in dict.fromkeys(one.predictor for one in found):
        by_kept = {one.kept: one for one in found if one.predictor == name}
        print(f"| {name} | {' | '.join(shown(by_kept.get(count)) for count in kept)} |")


def _experiment(options: argparse.Namespace, target: str, support: str, seed: int) -> Experiment:
    config = default_config(
        f"experiment={options.experiment}",
        f"suite.root={options.suite_root}",
        f"store_dir={options.store}",
        f"target_task={target}",
        f"support_task={support}",
        f"seed={seed}",
        "strategy=stilts",
    )
    return from_config(config)


if __name__ == "__main__":
    main()
