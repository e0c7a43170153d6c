import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tests.support.experiments import Compose, stage_run
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.plan.encoder_files import locate
from tlbench.store.store import CHECKPOINT
from tlbench.training import ddp
from tlbench.training.train import train_stage

pytestmark = pytest.mark.slow

# Adam makes whole steps of what is rounding alone, as the gradient of a key's bias.
SGD = "optim.optimizer._target_=torch.optim.SGD"


@pytest.fixture
def without_dropout(tmp_path: Path) -> str:
    """An encoder whose every step is the same on one device and on two."""
    tiny = Path(locate("package:tlbench/assets/tiny"))
    folder = tmp_path / "encoder"
    folder.mkdir()
    for file in tiny.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((tiny / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def train(cfg: Any, folder: Path, devices: int) -> dict[str, Any]:
    cfg.trainer.devices = devices
    folder.mkdir()
    return train_stage(stage_run(build(cfg).plan()[-1], folder), None)


@pytest.mark.parametrize(
    "mix",
    [
        # Of 17 rows the ranks have 9 and 8, and the last batch has one row.
        (
            "method=sum",
            "batch_size=17",
            "micro_batch_size=8",
            "subsample_size.support=36",
            "eval_batch_size=1",
        ),
        ("method=mean", "sampling.batches=homogeneous", "micro_batch_size=3", "eval_batch_size=64"),
        ("method=sum", "batch_size=17", "micro_batch_tokens=64", "subsample_size.support=36"),
        # Batches of five have one row of rte, or none: a rank lacks it.
        ("method=nash_mtl", "batch_size=5", "micro_batch_size=2", "subsample_size.support=90"),
        ("method=nash_mtl", "batch_size=9", "micro_batch_tokens=64", "subsample_size.support=90"),
        ("method=uncertainty", "batch_size=5", "perturb=sam", "optim.l2_sp=0.1", SGD),
        ("perturb=sam", "perturb.per_task=true", "batch_size=5", "subsample_size.support=90", SGD),
        ("match=co_annotation", "batch_size=17", "micro_batch_size=8"),
        ("adversary=dann", "batch_size=17", "micro_batch_size=8", SGD),
        # Rows of words, of which the ranks evaluate batches of different widths.
        ("target_task=mentions", "batch_size=17", "micro_batch_size=8", "eval_batch_size=1"),
        # Batches of one task, of which some read no layer above the first.
        ("+support_task.head_layer=1", "sampling.batches=homogeneous", "micro_batch_size=3"),
        ("+support_task.head_layer=1", "+target_task.head_layer=1", "batch_size=17"),
        # Rows whose tokens are masked, the same of them on every device.
        ("target_task=rte", "support_task=mlm", "batch_size=17", "micro_batch_size=8", SGD),
        # Rows of three sequences each, beside rows of one.
        ("target_task=causes", "batch_size=17", "micro_batch_tokens=200", SGD),
    ],
)
def test_two_devices_train_as_one(
    compose: Compose, tmp_path: Path, without_dropout: str, mix: tuple[str, ...]
) -> None:
    cfg = compose(
        "strategy=mtl",
        "support_task=mnli",
        "target_task=rte",
        "keep_weights=all",
        f"encoder.name={without_dropout}",
        "optim.lr=1e-3",
        "trainer.max_steps=null",
        "trainer.max_epochs=1",
        "subsample_size.target=33",
        "subsample_size.dev=21",
        *mix,
    )
    one = train(cfg, tmp_path / "one", 1)
    two = train(cfg, tmp_path / "two", 2)
    for same in ("steps", "instances", "shares", "threads"):
        assert one[same] == two[same]
    assert (one["devices"], two["devices"]) == (1, 2)
    assert [e["step"] for e in one["history"]] == [e["step"] for e in two["history"]]
    for task in build(cfg).plan()[-1].tasks:
        for file in ("model.safetensors", "heads.safetensors"):
            on_one, on_two = (
                load_file(tmp_path / count / "weights" / task / file) for count in ("one", "two")
            )
            for name, value in on_one.items():
                assert torch.allclose(value, on_two[name], atol=1e-5, rtol=0), (task, name)
        on_one, on_two = (
            pq.read_table(tmp_path / count / "predictions" / f"{task}.parquet").to_pandas()
            for count in ("one", "two")
        )
        assert on_one["row"].tolist() == on_two["row"].tolist()
        of_one, of_two = (np.hstack(saved["logit_0"].tolist()) for saved in (on_one, on_two))
        assert np.allclose(of_one, of_two, atol=1e-5)
    assert "LOCAL_RANK" not in os.environ


def test_more_gpus_than_there_are(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build(compose("trainer.devices=3", "trainer.accelerator=auto")).config.trainer
    assert ddp.count_devices(trainer) == 3  # processes on the CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UserError, match=r"Change trainer.devices: 3 requested and 2 are available"):
        ddp.count_devices(trainer)
    trainer.devices = "auto"
    assert ddp.count_devices(trainer) == 2


def test_a_gpu_that_is_not_there(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build(compose("trainer.accelerator=gpu")).config.trainer
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"Change trainer.accelerator: torch finds no GPU"):
        ddp.count_devices(trainer)


def test_sigterm_ends_all_of_them(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tlbench",
        "debug=fast",
        "trainer.devices=2",
        "trainer.max_steps=4000",
        "trainer.max_epochs=1000",
        "trainer.checkpoint_steps=1",
    ]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "checkpoint at step 3" in line:
            running.send_signal(signal.SIGTERM)
            break
    stderr = running.stderr.read()
    assert running.wait(timeout=60) == 130
    assert "the same command again" in stderr
    assert list(tmp_path.rglob(CHECKPOINT))
