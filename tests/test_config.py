import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import hydra
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, KeyValidationError, OmegaConfBaseException

from tests.conftest import Compose, compose_config
from tlbench import config
from tlbench.checks import check_task
from tlbench.config import (
    CONF_DIR,
    NEUTRAL_KEYS,
    Source,
    Task,
    checked,
    parse_config,
    unresolved,
)
from tlbench.data.sources import splits
from tlbench.errors import UserError
from tlbench.experiment import build


def content(cfg: DictConfig) -> str:
    return config.content(unresolved(cfg))


YAMLS = sorted(CONF_DIR.rglob("*.yaml"))

# Another value for every key that changes a result. A new key in conf/ must come either here or
# into NEUTRAL_KEYS, or test_every_key_is_sorted fails.
CHANGED = {
    "encoder.name": "other", "encoder.revision": "v2", "encoder.pretrained": True,
    "encoder.num_hidden_layers": 1, "encoder.max_length": 32,
    "encoder.trust_remote_code": True,
    "target_task.labels": ["yes", "no"], "target_task.score": ["f1"],
    "target_task.metrics": ["accuracy", "f1", "matthews"],
    "subsample_size.target": 65, "subsample_size.support": 65, "subsample_size.dev": 65,
    "subsample_size.seed": 1, "suite.seed": 1, "suite.sources.rte.train": 801,
    "sampling.name": "size", "sampling.temperature": 3.0, "sampling.cap": 10,
    "sampling.mode": "gap_x_size", "sampling.floor": 0.1, "sampling.batches": "homogeneous",
    "sampling.epoch": "shortest",
    "optim.lr": 1.0, "optim.weight_decay": 0.5, "optim.warmup": 0.5, "optim.schedule": "cosine",
    "optim.gradient_clip": 2.0, "optim.optimizer._target_": "torch.optim.SGD",
    "trainer.max_epochs": 9, "trainer.max_steps": 5, "trainer.early_stopping": 1,
    "trainer.precision": "bf16-mixed", "seed": 1, "batch_size": 17, "eval_every": 0.25,
    "selection": "held_out", "heads": "per_label_count", "loss": "mean",
    "group_by_length": False, "fast_kernels": False, "optim.optimizer.fused": False,
    "trainer.compile": False,
}  # fmt: skip

# Names and choices of which the keys above hold what they mean.
CHOICES = (
    "strategy.name", "strategy.plan", "strategy.supports", "strategy.tasks", "suite.name",
    "suite.root", "target_task.name", "support_task.name", "subsample_size.per_task",
    *(f"source.{field.name}" for field in fields(Source)),
)  # fmt: skip


def leaves(cfg: DictConfig, prefix: str = "") -> list[str]:
    found = []
    for key in cfg:
        node = OmegaConf.select(cfg, str(key)) if not OmegaConf.is_missing(cfg, key) else None
        name = f"{prefix}{key}"
        found += leaves(node, f"{name}.") if isinstance(node, DictConfig) and node else [name]
    return found


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
        ("study", "other"), ("micro_batch_size", 3), ("eval_batch_size", 3),
        ("keep_weights", "all"), ("only_stage", "abc"), ("num_workers", 1),
        ("logger", {"_target_": "x"}), ("trainer.accelerator", "gpu"), ("trainer.devices", 2),
        ("trainer.checkpoint_minutes", 1), ("trainer.checkpoint_steps", 1),
        ("trainer.progress_bar", True), ("store_dir", None), ("cache_dir", None),
    ],
)  # fmt: skip
def test_neutral_keys_change_neither(
    compose: Compose, tmp_path: Path, key: str, value: object
) -> None:
    assert key in NEUTRAL_KEYS
    cfg = compose(*MTL)
    before, folder = build(cfg).plan()[-1].key, content(cfg)
    OmegaConf.update(cfg, key, str(tmp_path / "elsewhere") if value is None else value)
    assert build(cfg).plan()[-1].key == before
    assert content(cfg) == folder


def test_every_yaml_opens_with_how_to_launch_it() -> None:
    for file in YAMLS:
        lines = file.read_text().splitlines()
        first = lines[1] if lines[0].startswith("# @package") else lines[0]
        assert re.match(r"# tlbench ", first), file
        group = file.parent.relative_to(CONF_DIR).as_posix()
        if group != ".":
            assert f"{group}={file.stem}" in first or group == "trainer", file


@pytest.mark.parametrize("file", YAMLS, ids=lambda f: str(f.relative_to(CONF_DIR)))
def test_every_option_composes_and_is_checked(file: Path) -> None:
    group = file.parent.relative_to(CONF_DIR).as_posix()
    chosen = [] if group == "." or group.startswith("hydra") else [f"{group}={file.stem}"]
    if chosen == ["experiment=search"]:
        pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs tlbench[optuna]")
        chosen.append("hydra/sweeper=optuna")
    cfg = compose_config("suite.root=somewhere", *chosen)
    assert parse_config(cfg).batch_size > 0


def test_a_slurm_job_goes_on_after_its_time_limit() -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        asked = ["hydra/launcher=slurm", "hydra.launcher.partition=debug"]
        cfg = hydra.compose("config", overrides=asked, return_hydra_config=True)
    launcher = cfg.hydra.launcher
    assert launcher._target_.endswith("SlurmLauncher")
    assert launcher.partition == "debug"
    assert launcher.max_num_timeout > 0


def test_the_papers_protocol() -> None:
    cfg = compose_config("experiment=paper", "strategy=mtl", "support_task=mnli")
    assert cfg.encoder.name == "distilroberta-base"
    assert cfg.encoder.max_length == 128
    assert (cfg.batch_size, cfg.micro_batch_size) == (128, None)
    assert cfg.trainer.max_epochs == 10
    assert (cfg.trainer.max_steps, cfg.trainer.early_stopping) == (None, None)
    assert cfg.trainer.precision == "16-mixed"
    assert (cfg.group_by_length, cfg.fast_kernels, cfg.trainer.compile) == (False, False, False)
    assert cfg.optim == compose_config("optim=paper").optim == {
        "lr": 2e-5, "weight_decay": 0.0, "warmup": 0.0, "schedule": "linear",
        "gradient_clip": 1.0, "optimizer": {"_target_": "torch.optim.AdamW"},
    }  # fmt: skip
    assert (cfg.sampling.name, cfg.sampling.batches) == ("uniform", "fixed_counts")
    assert cfg.sampling.epoch == "shortest"
    assert (cfg.heads, cfg.loss) == ("per_label_count", "sum")
    assert (cfg.eval_every, cfg.selection) == (0.5, "dev")
    scores = {
        name: list(compose_config(f"target_task={name}").target_task.score)
        for name in ("cola", "mrpc", "qqp", "stsb", "mnli", "rte")
    }
    assert scores == {
        "cola": ["matthews"], "mrpc": ["accuracy", "f1"], "qqp": ["accuracy", "f1"],
        "stsb": ["spearman"], "mnli": ["accuracy"], "rte": ["accuracy"],
    }  # fmt: skip


def test_every_task_is_a_support_task_too() -> None:
    for file in CONF_DIR.glob("target_task/*.yaml"):
        cfg = compose_config(f"support_task={file.stem}", f"target_task={file.stem}")
        assert cfg.support_task == cfg.target_task
        assert cfg.target_task.name == file.stem


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optim.lr=fast", "Change optim.lr: "),
        ("+target_task.metrc=f1", "Change target_task.metrc: "),
        ("suite=glue_tsv", "Change suite.root: give it a value."),
        ("~target_task.name", "Change target_task.name: give it a value."),
        ("seed=x", "Change seed: "),
    ],
)
def test_wrong_types_and_keys_are_named(override: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        parse_config(compose_config(override))


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-1, 200), st.floats(), st.text(max_size=5),
        st.sampled_from(["../x", "a/b", "${nope}", "${.x}", "???", "\0", "\ud800", "1/0", "2x"]),
        st.sampled_from([2**32, 10**30, float("inf"), float("nan")]),
    ),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.text(max_size=2), one, max_size=2),
    max_leaves=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def small(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    """A config with every group in use, whose rows are made at once."""
    places = (f"cache_dir={cache}", f"store_dir={tmp_path_factory.mktemp('store')}")
    rows = [f"suite.sources.{name}={{train: 70, dev: 64}}" for name in ("rte", "mnli")]
    fast = ("debug=fast", "suite.sources.mnli.more_dev={}")
    dynamic = ("strategy=mtl", "support_task=mnli", "sampling=dynamic")
    return compose_config(*fast, *places, *dynamic, *rows)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), value=ANYTHING)
def test_any_value_of_any_key_is_planned_or_refused_in_one_sentence(
    small: DictConfig, data: st.DataObject, value: object
) -> None:
    keys = sorted({part for key in leaves(small) for part in (key, key.rpartition(".")[0]) if part})
    cfg = small.copy()
    try:
        OmegaConf.update(cfg, data.draw(st.sampled_from(keys)), value)
    except OmegaConfBaseException:
        return  # Hydra says the same of an override
    with suppress(GrammarParseError):  # nor does Hydra compose it
        assert re.fullmatch(r"[\w-]+", content(cfg))
    try:
        build(cfg).plan()
    except UserError as error:
        said = str(error)
        assert re.match("(Change|Add) ", said)
        assert said.isprintable()


TASK = {
    "name": "mine", "labels": ["a", "b"], "score": ["accuracy"], "metrics": ["accuracy"],
    "source": {"format": "csv", "text": ["t"], "label": "y", "values": ["0", "1"], "more_dev": {}},
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from([*TASK, "other"]), ANYTHING, max_size=2),
    source=st.dictionaries(st.sampled_from([*TASK["source"], "path", "x"]), ANYTHING, max_size=2),
)
def test_any_task_file_is_a_task_or_refused_in_one_sentence(
    changes: dict[str, object], source: dict[str, object]
) -> None:
    definition = {**TASK, "source": {**TASK["source"], **source}, **changes}
    try:
        task = checked(Task, OmegaConf.create(definition), "target_task")
        check_task(task)
        splits(task)
    except (GrammarParseError, KeyValidationError):
        return
    except UserError as error:
        said = str(error)
        assert said.startswith("Change ")
        assert said.isprintable()
    else:
        pytest.fail("the files of this task are not there")


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


def test_no_study_or_stage_leads_out_of_its_folder() -> None:
    assert config.stage_folder("../../x") == "stages/_x"
    cfg = OmegaConf.load(CONF_DIR / "config.yaml")
    cfg.study = "../../x"
    assert cfg.hydra.sweep.dir == "multirun/_x"


def test_the_folder_has_a_name_before_the_config_is_checked() -> None:
    assert re.fullmatch("seedNone-[0-9a-f]{8}", config.content({"target_task": [], "strategy": 5}))


def test_a_user_folder_is_found_before_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target_task").mkdir()
    (tmp_path / "target_task" / "mine.yaml").touch()
    monkeypatch.setattr(config.sys, "argv", ["tlbench", "--config-dir", str(tmp_path)])
    assert config.task_file("mine") == tmp_path / "target_task" / "mine.yaml"
    assert config.task_file("rte").parent == CONF_DIR / "target_task"
    with pytest.raises(UserError, match="no task 'other'"):
        config.task_file("other")
