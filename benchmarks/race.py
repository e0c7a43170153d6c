"""Measures a race in simulated worlds: what its answer costs, and how often it is wrong.

python -m benchmarks.race --worlds 100

Regret: how far the chosen candidate's true score is below the best one's, by the stages that it
took. Then, on planted truths with rows: how often ``decided`` and ``good enough`` are false.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.planted_truths import CANDIDATES, GAINS, NULLS, Truth, number_of, study
from benchmarks.race_worlds import NOISES, Target, World, targets, worlds
from tlbench.analysis import race_decision
from tlbench.analysis.judged import MATTERS
from tlbench.analysis.racing import believed, in_order

BUDGETS = (16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80)
GRIDS = (1, 2, 3, 4, 5)
HALVINGS = ((11, 6, 3, 2), (1, 1, 1, 2))  # candidates of each round, and the seeds that they get
CONTENDERS, MOST_SEEDS = 2, 10
ROWS = 1000

Seeds = NDArray[np.int64]
Choice = tuple[float, int]  # stages, and which candidate
Rule = Callable[[World], Choice]


def costs(world: World) -> Seeds:
    """Return the stages of a seed: STILTs train the support as well."""
    return np.array([2 if key[0] == "stilts" else 1 for key in world.target.keys])


def grid(seeds: int) -> Rule:
    """All candidates with so many seeds, the highest mean."""

    def choose(world: World) -> Choice:
        means = world.scores[:, :seeds].mean(axis=1)
        return float(seeds * costs(world).sum()), int(means.argmax())

    return choose


def halving(world: World) -> Choice:
    """Fewer candidates in each round, by their means; ``single`` in all of them."""
    cost, seeds = costs(world), np.zeros(len(world.truth), int)
    alive = list(range(len(seeds)))
    for kept, more in zip(*HALVINGS, strict=True):
        if seeds.any():
            alive = sorted(alive, key=lambda at: -world.scores[at, : seeds[at]].mean())[:kept]
            alive = [*alive, *([] if 0 in alive else [0])]
        seeds[alive] += more
    best = max(alive, key=lambda at: world.scores[at, : seeds[at]].mean())
    return float(seeds @ cost), best


def stilts_first(world: World) -> Choice:
    """STILTs of all supports, then MTL with the two best of them; two seeds, then three more."""
    cost, seeds = costs(world), np.zeros(len(world.truth), int)
    keys = world.target.keys
    stilts = [at for at, key in enumerate(keys) if key[0] == "stilts"]
    seeds[[0, *stilts]] = 1
    best = sorted(stilts, key=lambda at: -world.scores[at, 0])[:2]
    supports = [keys[at][2] for at in best]
    mtl = [at for at, key in enumerate(keys) if key[0] == "mtl" and key[2] in supports]
    seeds[[0, *best, *mtl]] = 3
    alive = [0, *best, *mtl]
    return float(seeds @ cost), max(alive, key=lambda at: world.scores[at, : seeds[at]].mean())


def single(world: World) -> Choice:
    """The target alone, whatever the supports."""
    return 5.0, 0


def size_rule(world: World) -> Choice:
    """MTL where the target is smaller than the support, else STILTs; with the largest support."""
    keys = world.target.keys
    largest = max(keys[1:], key=lambda key: key[3])
    strategy = "mtl" if world.target.rows < largest[3] else "stilts"
    chosen = next(at for at, key in enumerate(keys) if (key[0], key[2]) == (strategy, largest[2]))
    return float(5 * costs(world)[chosen]), chosen


def race(budget: int) -> Rule:
    """The race, as ``tlbench.sweep.race`` runs it."""

    def choose(world: World) -> Choice:
        cost, seeds = costs(world), np.ones(len(world.truth), int)
        while True:
            others = [at for at in in_order(world.runs(seeds)) if at and seeds[at] < MOST_SEEDS]
            begun = seeds.copy()
            for at in (0, *others[:CONTENDERS]):
                if (seeds + (np.arange(len(seeds)) == at)) @ cost <= budget:
                    seeds[at] += 1
            if (seeds == begun).all():
                break
        means = believed(world.runs(seeds)).means
        means[seeds < min(2, seeds.max())] = -np.inf
        return float(seeds @ cost), int(means.argmax())

    return choose


def rules() -> dict[str, Rule]:
    """Return every rule by its name."""
    return {
        "single": single,
        "size rule, largest support": size_rule,
        **{f"full grid, {seeds} seed{'s' * (seeds > 1)}": grid(seeds) for seeds in GRIDS},
        "halving 11 > 6 > 3 > 2": halving,
        "STILTs first": stilts_first,
        **{f"race, {budget} stages": race(budget) for budget in BUDGETS},
    }


@dataclass
class Error:
    """How often a race with rows was wrong, at any of its rounds."""

    races: int = 0
    decided: int = 0
    false_decided: int = 0
    good_enough: int = 0
    false_good_enough: int = 0
    regret: float = 0.0


def errors(truth: Truth, races: int, runs: int) -> Error:
    """Race on planted truths, each with a budget of so many runs beside the first seeds."""
    found = Error()
    for number in range(races):
        random = np.random.default_rng([17, number])
        table, predictions = study(truth, ROWS, MOST_SEEDS, random)
        place = table.support.str.removeprefix("support").replace("-", "0").astype(int)
        ends: set[str] = set()
        chosen = 0
        for seeds in _rounds(runs):
            part = table[table.seed < seeds[place]]
            (one,) = race_decision(part, {run: predictions[int(run)] for run in part.index})
            chosen = number_of(one.choice.key) if one.choice else 0
            regret = truth.gains.max() - truth.gains[chosen]
            if one.end == "decided" and regret > 0:
                ends.add("false decided")
            if one.end == "good enough" and regret > MATTERS:
                ends.add("false good enough")
            ends.add(one.end)
            if one.end != "open":
                break
            others = [number for number in map(number_of, one.ranked) if number]
            _give(seeds, [0, *others[:CONTENDERS]])
        found.races += 1
        found.decided += "decided" in ends
        found.false_decided += "false decided" in ends
        found.good_enough += "good enough" in ends
        found.false_good_enough += "false good enough" in ends
        found.regret += 100 * float(truth.gains.max() - truth.gains[chosen]) / races
    return found


def _rounds(runs: int) -> Iterator[Seeds]:
    """Yield the seeds of every candidate, which the caller adds to, until the budget is out."""
    seeds = np.ones(CANDIDATES, int)
    while seeds.sum() < CANDIDATES + runs:
        before = seeds.copy()
        yield seeds
        if (seeds == before).all():
            return


def _give(seeds: Seeds, places: Sequence[int]) -> None:
    for at in places:
        seeds[at] = min(seeds[at] + 1, MOST_SEEDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was measured, as Markdown."""
    parser = argparse.ArgumentParser("python -m benchmarks.race", description=__doc__)
    parser.add_argument("--worlds", type=int, default=100, help="of each target and noise")
    parser.add_argument("--races", type=int, default=60, help="of each planted truth")
    options = parser.parse_args(arguments)
    if options.worlds:
        _print_regret(targets(), options.worlds)
    if options.races:
        _print_errors(options.races)


def _print_regret(of: list[Target], count: int) -> None:
    print(f"| rule | stages | {' | '.join(NOISES)} |\n|{'---|' * (2 + len(NOISES))}")
    for name, rule in rules().items():
        cells, stages = [], 0.0
        for noise in NOISES:
            every = [(world, *rule(world)) for world in worlds(of, noise, count)]
            regrets = np.array([world.regret(chosen) for world, _, chosen in every])
            stages = float(np.mean([stages for _, stages, _ in every]))
            cells.append(f"{regrets.mean():.2f} ± {regrets.std() / np.sqrt(len(regrets)):.2f}")
        print(f"| {name} | {stages:.0f} | {' | '.join(cells)} |", flush=True)


def _print_errors(races: int) -> None:
    heads = ("truth", "decided", "falsely", "good enough", "falsely", "regret, points")
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for truth in (*NULLS, *GAINS):
        found = errors(truth, races, 60)
        shares = (found.decided, found.false_decided, found.good_enough, found.false_good_enough)
        cells = [f"{one / found.races:.1%}" for one in shares]
        print(f"| {truth.name} | {' | '.join(cells)} | {found.regret:.2f} |", flush=True)


if __name__ == "__main__":
    main()
