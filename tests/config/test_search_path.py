import re
from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf

from tests.support.composing import compose_config
from tlbench.config import search_path
from tlbench.config.identity import stage_folder
from tlbench.config.search_path import CONF_DIR, task_file
from tlbench.config.validation import parse_config
from tlbench.errors import UserError

YAMLS = sorted(CONF_DIR.rglob("*.yaml"))


def launched(file: Path) -> str:
    """Return the line of a YAML that says how to launch it."""
    lines = file.read_text().splitlines()
    return lines[1] if lines[0].startswith("# @package") else lines[0]


def test_every_yaml_opens_with_how_to_launch_it() -> None:
    for file in YAMLS:
        first = launched(file)
        assert re.match(r"# tlbench ", first), file
        group = file.parent.relative_to(CONF_DIR).as_posix()
        if group != ".":
            assert f"{group}={file.stem}" in first or group == "trainer", file


LARGE = {
    "roberta_large": 1e-5,
    "deberta_v3_base": 2e-5,
    "deberta_v3_large": 6e-6,
    "modernbert_large": 3e-5,
    "eurobert": 3e-5,
    "xlmr_base": 2e-5,
}


@pytest.mark.parametrize("option", LARGE)
def test_a_large_encoder_brings_a_learning_rate_that_any_other_comes_before(option: str) -> None:
    chosen = f"encoder={option}"
    assert compose_config(chosen).optim.lr == LARGE[option]
    assert compose_config("optim=paper", chosen).optim.lr == LARGE[option]
    assert compose_config(chosen, "optim.lr=3e-4").optim.lr == 3e-4
    assert compose_config("optim.lr=3e-4", chosen).optim.lr == 3e-4
    assert compose_config(chosen, "experiment=smoke", "encoder.max_length=32").optim.lr == 1e-3
    assert compose_config(chosen).encoder.keys() == compose_config().encoder.keys()


def test_others_train_at_the_rate_of_the_optimizer() -> None:
    rates = {
        file.stem: compose_config(f"encoder={file.stem}").optim.lr
        for file in CONF_DIR.glob("encoder/*.yaml")
        if file.stem not in LARGE
    }
    assert set(rates.values()) == {compose_config().optim.lr}


@pytest.mark.slow
@pytest.mark.parametrize("file", YAMLS, ids=lambda f: str(f.relative_to(CONF_DIR)))
def test_every_option_composes_and_is_checked(file: Path) -> None:
    group = file.parent.relative_to(CONF_DIR).as_posix()
    chosen = [] if group == "." or group.startswith("hydra") else [f"{group}={file.stem}"]
    if chosen == ["experiment=search"]:
        pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs tlbench[optuna]")
        chosen.append("hydra/sweeper=optuna")
    # A task needs a suite that has it, a suite a task of its own, and relations a use of them.
    beside = re.findall(r"(?:suite|target_task|match)=[a-z]\w*", launched(file).split(" " * 5)[0])
    chosen += [word for word in beside if group in ("suite", "target_task", "match/relations")]
    cfg = compose_config("suite.root=somewhere", *dict.fromkeys(chosen))
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
    """All of it, so that a key that is added later must stand there at its neutral value."""
    resolved = OmegaConf.to_container(
        compose_config("experiment=paper", "strategy=mtl", "support_task=mnli"), resolve=True
    )
    snapshot = Path(__file__).with_name("paper_protocol.yaml")
    assert resolved == OmegaConf.to_container(OmegaConf.load(snapshot), resolve=True)


def test_the_papers_scores() -> None:
    scores = {
        name: list(compose_config(f"target_task={name}").target_task.score)
        for name in ("cola", "mrpc", "qqp", "stsb", "mnli", "rte")
    }
    assert scores == {
        "cola": ["matthews"],
        "mrpc": ["accuracy", "f1"],
        "qqp": ["accuracy", "f1"],
        "stsb": ["spearman"],
        "mnli": ["accuracy"],
        "rte": ["accuracy"],
    }


def test_every_task_is_a_support_task_too() -> None:
    for file in CONF_DIR.glob("target_task/*.yaml"):
        cfg = compose_config(f"support_task={file.stem}", f"target_task={file.stem}")
        assert cfg.support_task == cfg.target_task
        assert cfg.target_task.name == file.stem


def test_no_study_or_stage_leads_out_of_its_folder() -> None:
    assert stage_folder("../../x") == "stages/_x"
    cfg = OmegaConf.load(CONF_DIR / "config.yaml")
    cfg.study = "../../x"
    assert cfg.hydra.sweep.dir == "multirun/_x"


def test_a_users_folder_is_searched_after_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target_task").mkdir()
    (tmp_path / "target_task" / "mine.yaml").touch()
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    assert task_file("mine") == tmp_path / "target_task" / "mine.yaml"
    assert task_file("rte").parent == CONF_DIR / "target_task"
    with pytest.raises(UserError, match="no task 'other'"):
        task_file("other")
