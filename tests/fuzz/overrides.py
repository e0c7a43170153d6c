"""Command lines: overrides of every key with odd values, and broken copies of good ones."""

import random
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import ODD
from tests.support.composing import compose_config
from tlbench.config.arguments import completed, with_words
from tlbench.config.keys import declared
from tlbench.config.overrides import check_choices
from tlbench.config.schema import Config
from tlbench.jobs.dry_run import print_run
from tlbench.plan.build import build

_ROWS = [f"suite.sources.{task}={{train: 80, dev: 64}}" for task in ("rte", "mnli", "stsb", "cola")]
_GOOD = [
    "strategy=mtl",
    "strategy=stilts",
    "support_task=mnli",
    "target_task=stsb",
    "heads=per_task",
]
_GOOD += ["sampling=dynamic", "sampling=temperature", "selection=held_out", "encoder=minilm"]
_GOOD += [
    "subsample_size=half",
    "subsample_size.support=2x",
    "optim.schedule=cosine",
    "method=mean",
]
_GOOD += ["+subsample_size.per_task.rte=50", "keep_weights=[rte]", "sampling.batches=partition"]
_GOOD += ["strategy=merge", "merging=ties", "merging.scale=held_out"]
_GOOD += ["logger=[csv,none]", "experiment=paper", "++target_task.positive=entailment"]
_KEYS = [*declared(Config), "suite.root", "suite.sources.rte.dev", "optim.optimizer.betas"]
_KEYS += [
    "method.x",
    "merging.x",
    "target_task",
    "support_task",
    "strategy",
    "encoder",
    "nope",
    "hydra.run.dir",
]


def case(rng: random.Random, folder: Path) -> Callable[[], Any]:
    """Return what plans a command line of random overrides."""
    places = [f"store_dir={folder / 'store'}", f"cache_dir={folder.parent / 'cache'}"]
    given = [_override(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
    (folder / "overrides").write_text("\n".join(map(ascii, given)))

    def dry_run() -> None:
        arguments = with_words(["debug=fast", *_ROWS, *places, *given])
        check_choices(arguments)
        with redirect_stdout(StringIO()):
            print_run(build(compose_config(*completed(arguments))))

    return dry_run


def _override(rng: random.Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(_GOOD)
    prefix = rng.choice(["", "", "", "", "+", "++", "~"])
    value = rng.choice(ODD)
    text = "null" if value is None else str(value)
    override = f"{prefix}{rng.choice(_KEYS)}={text}"
    if rng.random() < 0.2:
        at = rng.randrange(len(override))
        override = override[:at] + rng.choice("[]{}'\",=$:\\ @~+.") + override[at + 1 :]
    return override
