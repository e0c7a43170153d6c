"""Rows that a target is scored on and that its experiment trains on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from tests.support.experiments import Compose
from tlbench.errors import UserError
from tlbench.jobs.job import run_experiment
from tlbench.plan.build import build
from tlbench.plan.leak import Leak
from tlbench.plan.leakage import check
from tlbench.records.record import read_record


def own(folder: Path, name: str, **splits: list[str]) -> dict[str, Any]:
    """Write a task's rows; return its definition."""
    (folder / name).mkdir()
    for split, texts in splits.items():
        rows = [{"t": text, "y": "ab"[i % 2]} for i, text in enumerate(texts)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name / f"{split}.jsonl").write_text(lines)
    source = {"format": "jsonl", "path": str(folder / name), "text": ["t"], "label": "y"}
    test = {"test": "test.jsonl"} if "test" in splits else {}
    metrics = {"score": ["accuracy"], "metrics": ["accuracy"]}
    return {"name": name, "labels": ["a", "b"], **metrics, "source": source | test}


def texts(start: int, end: int) -> list[str]:
    return [f"Text {i}." for i in range(start, end)]


@pytest.fixture
def config(compose: Compose, tmp_path: Path) -> Callable[..., DictConfig]:
    """A target of 40 dev and 20 test rows; 3 and 1 of them are in its support's train."""
    target = own(tmp_path, "mine", train=texts(0, 100), dev=texts(100, 140), test=texts(200, 220))
    leaked = ["text 100", "Text 101.", "TEXT 102", "Text 200."]
    support = own(tmp_path, "other", train=[*texts(300, 400), *leaked], dev=texts(400, 420))

    def make(*overrides: str) -> DictConfig:
        sizes = [f"subsample_size.{name}=null" for name in ("target", "support", "dev")]
        cfg = compose("strategy=mtl", *sizes, "trainer.max_steps=2", *overrides)
        cfg.target_task, cfg.support_task = target, support
        return cfg

    return make


def test_planted_rows_are_found_and_in_the_record(
    config: Callable[..., DictConfig], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_experiment(config(), tmp_path / "job", in_sweep=False)
    assert read_record(tmp_path / "job" / "result.json").leaks == [
        {"split": "dev", "rows": 40, "task": "other", "exact": 1, "normalised": 3},
        {"split": "test", "rows": 20, "task": "other", "exact": 1, "normalised": 1},
    ]
    assert (
        "of mine 3 of 40 dev rows are among the train rows of other, 1 to the letter" in caplog.text
    )


def test_rows_that_are_not_drawn_do_not_leak(config: Callable[..., DictConfig]) -> None:
    leaks = [build(config(f"subsample_size.support={n}")).leaks for n in (10, 104)]
    few, all_of_them = (sum(leak.normalised for leak in found) for found in leaks)
    assert few < all_of_them == 4


def test_without_a_support_nothing_leaks(config: Callable[..., DictConfig]) -> None:
    assert build(config("strategy=single"), in_sweep=True).leaks == ()


def test_over_a_tenth_is_refused_unless_it_is_allowed(compose: Compose, tmp_path: Path) -> None:
    cfg = compose("subsample_size.target=null", "subsample_size.dev=null")
    cfg.target_task = own(tmp_path, "mine", train=texts(0, 100), dev=texts(95, 115))
    with pytest.raises(UserError) as refused:
        build(cfg)
    assert str(refused.value) == (
        "Change the rows of task 'mine', or set allow_leakage=true: 5 of 20 dev rows of 'mine' are "
        "among its train rows (5 of them to the letter), so that a score says little of new rows."
    )
    cfg.allow_leakage = True
    assert build(cfg).leaks == (Leak("dev", 20, "mine", 5, 5),)


def test_what_a_published_suite_shares_is_said_and_not_refused() -> None:
    leak = Leak("dev", 408, "stsb", 0, 48)
    check([leak], "mrpc", ["mrpc", "stsb"])
    for of_suite in ([], ["mrpc"], ["stsb"]):
        with pytest.raises(UserError, match="48 of 408 dev rows of 'mrpc'"):
            check([leak], "mrpc", of_suite)


def test_the_keys_of_stages_do_not_depend_on_it(compose: Compose) -> None:
    plans = [build(compose(f"allow_leakage={word}")).plan() for word in ("true", "false")]
    assert plans[0][-1].key == plans[1][-1].key


def test_the_generated_suite_leaks_next_to_nothing(compose: Compose) -> None:
    whole = ("strategy=mtl_all", "subsample_size.target=null", "subsample_size.dev=null")
    for target in ("rte", "sst2", "stsb"):
        leaks = build(compose(f"target_task={target}", *whole)).leaks
        assert all(leak.normalised <= 0.01 * leak.rows for leak in leaks)
