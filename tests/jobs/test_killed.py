"""``python -m tlbench``, killed by SIGKILL at any moment and started again, ends as if it had not.

Bit for bit: a stage.json holds the checksums of the weights and predictions beside it.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.killing import MOMENTS
from tests.support.writers import overrides

pytestmark = pytest.mark.slow

PAIR = ("debug=fast", "strategy=mtl", "target_task=rte", "support_task=mnli", "keep_weights=all")
# 7 steps an epoch and 3 epochs; evaluations in the middle and at the end of each.
SIZES = ("subsample_size.target=45", "subsample_size.support=60", "subsample_size.dev=20")
LENGTH = ("trainer.max_epochs=3", "trainer.max_steps=null", "optim.lr=1e-3")
MIXES = {
    "heterogeneous": (),
    "homogeneous": ("sampling.batches=homogeneous", "sampling=uniform"),
    "partition": ("sampling.batches=partition", "heads=per_label_count"),
    "fixed_counts": ("sampling.batches=fixed_counts", "method=mean"),
    "annealed": ("sampling=annealed", "selection=held_out"),
    "dynamic": ("sampling=dynamic", "sampling.mode=gap"),
}
FEW = [
    ["half of the best weights", 2],
    ["half a checkpoint", 9],
    ["weights, no checkpoint", 2],
    ["one task's weights moved", 1],
    ["stage.json", 1],
]
# Kills of both stages of a graph: of the first one's training, and of the second one's.
OF_TWO_STAGES = [
    ["half of the best weights", 2],
    ["half a checkpoint", 3],
    ["stage.json", 1],
    ["step", 3],
    ["half a checkpoint", 2],
    ["record", 1],
]
KILLS, ROUNDS = 30, 2
slow = pytest.mark.skipif(
    os.environ.get("TLBENCH_SLOW_TESTS") != "1", reason="minutes: set TLBENCH_SLOW_TESTS=1"
)


def runs(*entries: dict[str, Any]) -> list[list[int]]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.killing", json.dumps(entries)],
        capture_output=True,
        text=True,
        timeout=900,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stderr
    found: list[list[int]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def entry(folder: Path, mix: str, kills: list[Any]) -> dict[str, Any]:
    folder.mkdir()
    places = ["trainer.checkpoint_steps=1", f"cache_dir={folder.parent / 'cache'}"]
    arguments = [*PAIR, *SIZES, *LENGTH, *places, *MIXES[mix]]
    return {"folder": str(folder), "arguments": arguments, "kills": kills}


def lasting(folder: Path) -> dict[str, Any]:
    """Every stage of a store, without what depends on the clock, and the record's scores."""
    stages = {}
    for file in folder.glob("multirun/.store/*/stage.json"):
        found = json.loads(file.read_text())
        found["before"] = sorted(found["before"])
        stages[found["key"]] = {
            k: v for k, v in found.items() if k not in ("seconds", "finished", "checksum")
        }
    (record,) = (json.loads(f.read_text()) for f in folder.glob("multirun/*/*/result.json"))
    return {**stages, "scores": record["metrics"], "status": record["status"]}


def assert_same(disturbed: Path, whole: Path) -> None:
    said = (disturbed / "said.log").read_text()
    found, expected = lasting(disturbed), lasting(whole)
    assert found["status"] == "done", said
    assert "Traceback" not in said
    assert any(
        name.endswith("heads.safetensors")
        for s in expected.values()
        if isinstance(s, dict)
        for name in s.get("files", ())
    )
    assert found == expected


def test_killed_at_the_worst_moments(tmp_path: Path) -> None:
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    of_whole, of_disturbed = runs(
        entry(whole, "heterogeneous", []), entry(disturbed, "heterogeneous", FEW)
    )
    assert of_whole == [0]
    assert of_disturbed == [-9] * len(FEW) + [0]
    assert_same(disturbed, whole)
    # A kill damages nothing; once the weights that a checkpoint means had been moved already.
    assert (disturbed / "said.log").read_text().count("is damaged") == 1


def assert_killed_or_not(tmp_path: Path, kills: list[Any], own: Sequence[str]) -> None:
    """Run an experiment with kills and without, to the same end.

    Args:
        own: its overrides, in the place of those of the mix that set the same keys or groups.
    """
    whole, disturbed = (
        entry(tmp_path / name, "heterogeneous", of_entry)
        for name, of_entry in (("whole", []), ("disturbed", kills))
    )
    keys = tuple(f"{word.partition('=')[0]}=" for word in own)
    for one in (whole, disturbed):
        words = [word for word in one["arguments"] if not word.startswith(keys)]
        one["arguments"] = [*words, *own]
    assert runs(whole, disturbed) == [[0], [-9] * len(kills) + [0]]
    assert_same(tmp_path / "disturbed", tmp_path / "whole")


def test_heads_first_and_then_all_weights_killed_in_both_stages(tmp_path: Path) -> None:
    assert_killed_or_not(tmp_path, OF_TWO_STAGES, ("strategy=lp_ft", "support_task=none"))


def test_masked_language_modelling_killed_beside_its_target(tmp_path: Path) -> None:
    assert_killed_or_not(tmp_path, FEW, ("strategy=mtl", "support_task=mlm"))


def test_self_training_killed_as_a_teacher_and_as_a_student(tmp_path: Path) -> None:
    student = ("strategy=self_training", "support_task=unlabelled")
    assert_killed_or_not(tmp_path, OF_TWO_STAGES, student)


def test_killed_while_a_language_model_writes_rows(tmp_path: Path) -> None:
    kills = [
        ["a batch of rows", 1],
        ["half a batch of rows", 1],
        ["a file of rows", 1],
        ["a file of rows", 2],
        ["half a checkpoint", 2],
        ["record", 1],
    ]
    assert_killed_or_not(tmp_path, kills, overrides(tmp_path / "writer"))


@slow
def test_killed_at_thirty_random_moments(tmp_path: Path) -> None:
    """Some after a random time, some at one of the moments that are known."""
    chance = random.Random(0)
    runs(*(entry(tmp_path / f"{mix} whole", mix, []) for mix in MIXES))
    codes: list[list[int]] = []
    for number in range(ROUNDS):
        kills = {mix: some_kills(chance) for mix in MIXES}
        codes += runs(*(entry(tmp_path / f"{mix} {number}", mix, kills[mix]) for mix in MIXES))
        for mix in MIXES:
            assert_same(tmp_path / f"{mix} {number}", tmp_path / f"{mix} whole")
        killed = sum(of_entry.count(-9) for of_entry in codes)
        print(f"{killed} kills: {kills} {codes}")
    assert killed >= KILLS


def some_kills(chance: random.Random) -> list[Any]:
    """Of a run and those that go on from it: first in training, then when it is over."""
    early = [[moment, chance.randint(1, 2)] for moment in list(MOMENTS)[:6]]
    late = [[moment, 1] for moment in list(MOMENTS)[6:]]
    timed = [chance.uniform(0.1, 1.0) for _ in range(2)]
    return [*chance.sample([*timed, *chance.sample(early, 2)], 4), chance.choice(late)]
