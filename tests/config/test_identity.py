import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf

from tests.support.experiments import Compose, leaves
from tlbench.config import identity, keys
from tlbench.config.identity import NEUTRAL_KEYS, flatten, unresolved
from tlbench.config.keys import declared, is_under
from tlbench.config.schema import Config
from tlbench.config.search_path import CONF_DIR
from tlbench.plan.build import build


def content(cfg: DictConfig) -> str:
    return identity.job_folder_name(unresolved(cfg))


# Another value for every key that changes a result.
CHANGED = {
    "encoder.pretrained": True,
    "encoder.num_hidden_layers": 1,
    "encoder.max_length": 32,
    "encoder.trust_remote_code": True,
    "encoder.adapter.name": "lora",
    "encoder.adapter.r": 4,
    "encoder.adapter.alpha": 8.0,
    "encoder.adapter.dropout": 0.5,
    "encoder.adapter.target_modules": ["query"],
    "target_task.labels": ["yes", "no"],
    "target_task.score": ["f1"],
    "target_task.metrics": ["accuracy", "f1", "matthews"],
    "target_task.positive": "entailment",
    "target_task.more_metrics": {
        "other": {"_target_": "torchmetrics.classification.BinaryF1Score"}
    },
    "target_task.loss.class_weights": "balanced",
    "target_task.loss.label_smoothing": 0.1,
    "target_task.loss.focal": 2.0,
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
    "trainable": "heads",
    "trainable_layers": 2,
    "method": {"name": "mean", "_target_": "tlbench.methods.mean.Mean"},
    "optim.schedule_options": {"num_cycles": 2},
    "optim.l2_sp": 0.5,
    "perturb.name": "sam",
    "perturb.rho": 0.5,
    "perturb.per_task": True,
    "match.name": "co_annotation",
    "match.weight": 0.5,
    "match.relations": {"mnli": {"rte": [[1, 0], [0.5, 0.5], [0, 1]]}},
    "adversary.name": "dann",
    "adversary.weight": 0.5,
    "penalty.name": "l1",
    "penalty.strength": 0.5,
    "group_by_length": False,
    "fast_kernels": False,
    "optim.optimizer.fused": False,
    "trainer.compile": False,
}


KEYS = declared(Config)


def test_every_key_that_changes_a_result_has_another_value_here() -> None:
    affecting = {k.name for k in KEYS.values() if k.affects in ("training", "started", "mixed")}
    by_group = {key.partition("._")[0].removesuffix(".fused") for key in CHANGED}
    assert affecting - {"encoder.identity"} <= by_group | {"method"}


def test_what_a_study_compares() -> None:
    groups = {"strategy", "target_task", "support_task", "method", "merging", "perturb", "tuned"}
    groups |= {"penalty", "match", "adversary"}
    sizes = {"subsample_size.target", "subsample_size.support"}
    adapter = {key for key in KEYS if key.startswith("encoder.adapter.")}
    assert {*identity.CHOICES} == groups | sizes | adapter | {"seed"}


def test_every_value_of_the_config_is_declared(compose: Compose) -> None:
    open_ended = [k.name for k in KEYS.values() if k.annotation is Any or "dict" in str(k)]
    for key in leaves(compose()):
        assert key in KEYS or is_under(key, open_ended), key


MTL = (
    "strategy=mtl",
    "support_task=mnli",
    "sampling=temperature",
    "target_task.metrics=[accuracy,f1]",
)


@pytest.mark.parametrize("key", CHANGED)
def test_what_changes_a_result_changes_the_key_and_the_folder(compose: Compose, key: str) -> None:
    dynamic = ("sampling=dynamic", "sampling.mode=gap")
    needed = {"sampling.mode": dynamic, "sampling.floor": dynamic}
    needed |= dict.fromkeys(["perturb.rho", "perturb.per_task"], ("perturb=sam",))
    needed["penalty.strength"] = ("penalty=l1",)
    needed |= {key: ("match=distribution",) for key in CHANGED if key.startswith("match.")}
    needed["adversary.weight"] = ("adversary=dann",)
    options = ("r", "alpha", "dropout", "target_modules")
    needed |= dict.fromkeys([f"encoder.adapter.{n}" for n in options], ("encoder/adapter=lora",))
    needed["trainable_layers"] = ("trainable=top",)
    # Of tasks that share a head; else it is refused.
    needed["trainable"] = ("heads=per_label_count", "support_task=qnli")
    cfg = compose(*MTL, *needed.get(key, ()))
    before, folder = build(cfg).plan()[-1].key, content(cfg)
    OmegaConf.update(cfg, key, CHANGED[key], force_add=True)
    assert build(cfg).plan()[-1].key != before
    assert content(cfg) != folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("study", "other"),
        ("micro_batch_size", 3),
        ("micro_batch_tokens", 64),
        ("eval_batch_size", 3),
        ("keep_weights", "all"),
        ("only_stage", "abc"),
        ("num_workers", 1),
        ("logger", {"x": {"_target_": "x"}}),
        ("tags", ["x"]),
        ("strategy.label", "x"),
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
    new = str(tmp_path / "elsewhere") if value is None else value
    OmegaConf.update(cfg, key, new, force_add=True)
    assert build(cfg).plan()[-1].key == before
    assert content(cfg) == folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tuned.grid", {"optim.lr": [1, 2]}),
        ("tuned.trials", 3),
        ("tuned.seed", 1),
        ("tuned.supports", {"mnli": {"optim.lr": 1}}),
    ],
)
def test_how_values_were_chosen_is_in_the_folder_and_in_no_key(
    compose: Compose, key: str, value: object
) -> None:
    cfg = compose(*MTL)
    before, folder = build(cfg).plan()[-1].key, content(cfg)
    OmegaConf.update(cfg, key, value, force_add=True)
    assert build(cfg).plan()[-1].key == before
    assert content(cfg) != folder


@pytest.mark.parametrize("strategy", [(), MTL])
@pytest.mark.parametrize(
    "test", ["suite.sources.mnli.test=40", "suite.sources.rte.test=40", "suite.sources.rte.test=f"]
)
def test_test_rows_change_neither_key_nor_folder_nor_what_records_are_compared_by(
    compose: Compose, strategy: tuple[str, ...], test: str
) -> None:
    before, after = compose(*strategy), compose(*strategy, test)
    assert content(after) == content(before)
    assert [*flatten(unresolved(after))] == [*flatten(unresolved(before))]
    if not test.endswith("f"):
        keys = [[stage.key for stage in build(cfg).plan()] for cfg in (before, after)]
        assert keys[0] == keys[1]


def test_the_test_rows_of_a_users_task_change_no_folder() -> None:
    source = {"format": "csv", "path": "data", "train": None, "dev": None}
    plain = {"target_task": {"name": "mine", "source": source}, "support_task": {"source": source}}
    tested = {"target_task": {"name": "mine", "source": {**source, "test": "test.csv"}}}
    tested["support_task"] = {"source": {**source, "test": "other.csv"}}
    assert identity.identity_of(tested) == identity.identity_of(plain)
    assert identity.job_folder_name(tested) == identity.job_folder_name(plain)


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


def test_what_mixes_tasks_has_an_effect_only_where_tasks_are_mixed() -> None:
    single = ("sampling", "method", "heads", "subsample_size.support")
    for key in ("sampling.name", "sampling.temperature", "method.name", "heads"):
        assert identity.affects_training(key, ())
        assert not identity.affects_training(key, single)
    assert identity.affects_training("methods_of_mine", single)
    assert identity.affects_training("sampling.last_batch", single)


def test_what_has_no_effect_on_a_strategy_names_no_folder(compose: Compose) -> None:
    assert content(compose("sampling=uniform", "method=mean")) == content(compose())
    stilts = ("strategy=stilts", "support_task=mnli")
    assert content(compose(*stilts, "sampling=uniform")) == content(compose(*stilts))
    assert content(compose(*stilts, "heads=per_label_count")) != content(compose(*stilts))


def test_supports_in_another_order_are_another_setting(compose: Compose) -> None:
    def many(*tasks: str) -> str:
        return content(compose("strategy.supports=many", f"strategy.tasks=[{','.join(tasks)}]"))

    assert many("mnli", "cola") != many("cola", "mnli")


@dataclass
class WithMore(Config):
    """The config of a later version: a new group and a new key, at what stands for not having."""

    adapter: dict[str, Any] | None = keys.key("what is trained", "training", since=None)
    patience: int = keys.key("a new key", "training", since=5)


def test_a_new_group_at_its_default_changes_no_key_and_no_folder(compose: Compose) -> None:
    cfg = compose(*MTL)
    experiment = build(cfg)
    later = WithMore(**vars(experiment.config))
    assert replace(experiment, config=later).plan()[-1].key == experiment.plan()[-1].key
    plain = unresolved(cfg)
    more = {"adapter": None, "patience": 5}
    assert identity.identity_of(plain | more, WithMore) == identity.identity_of(plain, WithMore)

    other = WithMore(**vars(experiment.config), patience=6)
    assert replace(experiment, config=other).plan()[-1].key != experiment.plan()[-1].key
    with_adapter = {"adapter": {"rank": 8}}
    assert identity.identity_of(plain | with_adapter, WithMore)["adapter"] == {"rank": 8}


@pytest.mark.parametrize(
    "study",
    [
        "paper",
        "paper_grid",
        "paper_mtl_all",
        "size_ablation",
        "glue_cpu",
        "glue_cpu_sizes",
        "glue_gpu",
    ],
)
def test_a_study_selects_as_it_did_whatever_the_default(study: str, tmp_path: Path) -> None:
    shutil.copytree(CONF_DIR, tmp_path / "conf")
    file = tmp_path / "conf" / "config.yaml"
    text = file.read_text()
    assert "\nselection: cross_fit" in text
    file.write_text(text.replace("\nselection: cross_fit", "\nselection: held_out"))
    with hydra.initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        assert hydra.compose("config").selection == "held_out"
        assert hydra.compose("config", overrides=[f"experiment={study}"]).selection == "dev"


def test_a_key_beside_another_at_the_top_counts_where_it_has_an_effect(compose: Compose) -> None:
    def layers(*overrides: str) -> Any:
        asked = identity.identity_of(unresolved(compose("trainable_layers=2", *overrides)))
        return asked.get("trainable_layers")

    assert layers("trainable=top") == 2
    assert layers("trainable=bias") is layers() is None
