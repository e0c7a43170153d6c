import re
from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from tests.support.experiments import Compose, leaves
from tlbench.config import identity
from tlbench.config.identity import NEUTRAL_KEYS, unresolved
from tlbench.config.schema import Source
from tlbench.plan.experiment import build


def content(cfg: DictConfig) -> str:
    return identity.job_folder_name(unresolved(cfg))


# Another value for every key that changes a result. A new key in conf/ must come either here or
# into NEUTRAL_KEYS, or test_every_key_is_sorted fails.
CHANGED = {
    "encoder.pretrained": True,
    "encoder.num_hidden_layers": 1,
    "encoder.max_length": 32,
    "encoder.trust_remote_code": True,
    "target_task.labels": ["yes", "no"],
    "target_task.score": ["f1"],
    "target_task.metrics": ["accuracy", "f1", "matthews"],
    "subsample_size.target": 65,
    "subsample_size.support": 65,
    "subsample_size.dev": 65,
    "subsample_size.seed": 1,
    "suite.seed": 1,
    "suite.sources.rte.train": 801,
    "sampling.name": "size",
    "sampling.temperature": 3.0,
    "sampling.cap": 10,
    "sampling.mode": "gap_x_size",
    "sampling.floor": 0.1,
    "sampling.batches": "homogeneous",
    "sampling.epoch": "shortest",
    "sampling.last_batch": "drop",
    "optim.lr": 1.0,
    "optim.weight_decay": 0.5,
    "optim.warmup": 0.5,
    "optim.schedule": "cosine",
    "optim.gradient_clip": 2.0,
    "optim.optimizer._target_": "torch.optim.SGD",
    "trainer.max_epochs": 9,
    "trainer.max_steps": 5,
    "trainer.early_stopping": 1,
    "trainer.precision": "bf16-mixed",
    "seed": 1,
    "batch_size": 17,
    "eval_every": 0.25,
    "selection": "held_out",
    "heads": "per_label_count",
    "loss": "mean",
    "group_by_length": False,
    "fast_kernels": False,
    "optim.optimizer.fused": False,
    "trainer.compile": False,
}

# Names and choices of which the keys above hold what they mean.
CHOICES = (
    "encoder.name",
    "encoder.revision",  # the files behind them are what the key holds
    "strategy.name",
    "strategy.plan",
    "strategy.supports",
    "strategy.tasks",
    "suite.name",
    "suite.root",
    "target_task.name",
    "support_task.name",
    "subsample_size.per_task",
    *(f"source.{field.name}" for field in fields(Source)),
)


def test_every_key_is_sorted(compose: Compose) -> None:
    for key in leaves(compose()):
        pattern = re.sub(r"^(suite\.sources\.\w+|target_task\.source)\.(\w+).*", r"source.\2", key)
        neutral = any(f"{key}.".startswith(f"{group}.") for group in NEUTRAL_KEYS)
        kinds = [pattern in CHANGED, neutral, pattern in CHOICES]
        assert sum(kinds) == 1, f"sort the new key {key}"


MTL = (
    "strategy=mtl",
    "support_task=mnli",
    "sampling=temperature",
    "target_task.metrics=[accuracy,f1]",
)


@pytest.mark.parametrize("key", CHANGED)
def test_what_changes_a_result_changes_the_key_and_the_folder(compose: Compose, key: str) -> None:
    dynamic = ("sampling=dynamic", "sampling.mode=gap")
    cfg = compose(*MTL, *(dynamic if key in ("sampling.mode", "sampling.floor") else ()))
    before, folder = build(cfg).plan()[-1].key, content(cfg)
    OmegaConf.update(cfg, key, CHANGED[key])
    assert build(cfg).plan()[-1].key != before
    assert content(cfg) != folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("study", "other"),
        ("micro_batch_size", 3),
        ("eval_batch_size", 3),
        ("keep_weights", "all"),
        ("only_stage", "abc"),
        ("num_workers", 1),
        ("logger", {"_target_": "x"}),
        ("trainer.accelerator", "gpu"),
        ("trainer.devices", 2),
        ("trainer.threads", 3),
        ("trainer.checkpoint_minutes", 1),
        ("trainer.checkpoint_steps", 1),
        ("trainer.progress_bar", True),
        ("store_dir", None),
        ("cache_dir", None),
    ],
)
def test_neutral_keys_change_neither(
    compose: Compose, tmp_path: Path, key: str, value: object
) -> None:
    assert key in NEUTRAL_KEYS
    cfg = compose(*MTL)
    before, folder = build(cfg).plan()[-1].key, content(cfg)
    OmegaConf.update(cfg, key, str(tmp_path / "elsewhere") if value is None else value)
    assert build(cfg).plan()[-1].key == before
    assert content(cfg) == folder


def test_content_is_readable_and_ignores_what_single_ignores(compose: Compose) -> None:
    alone = content(compose("support_task=none"))
    assert alone.startswith("rte-single-seed0-")
    assert content(compose("support_task=mnli")) == alone
    assert content(compose(*MTL)).startswith("rte-mtl-mnli-seed0-")


@pytest.mark.parametrize("key", ["target_task.name", "strategy.name", "support_task.name", "seed"])
def test_no_name_leads_out_of_the_jobs_folder(compose: Compose, key: str) -> None:
    cfg = compose("strategy=stilts", "support_task=mnli")
    OmegaConf.update(cfg, key, "../../etc/" + "x" * 1000)
    assert re.fullmatch(r"[\w-]{1,255}", content(cfg))


def test_the_folder_has_a_name_before_the_config_is_checked() -> None:
    assert re.fullmatch(
        "seedNone-[0-9a-f]{8}", identity.job_folder_name({"target_task": [], "strategy": 5})
    )


def test_a_key_affects_training_unless_the_strategy_says_that_it_has_no_effect() -> None:
    ignored = ["sampling", "method", "subsample_size.support"]
    for key in ("sampling.name", "sampling.temperature", "method.name", "subsample_size.support"):
        assert not identity.affects_training(key, ignored)
        assert identity.affects_training(key, [])
    for key in ("heads", "subsample_size.target", "method_of_mine", "sampling.last_batch"):
        assert identity.affects_training(key, ignored)
