from pathlib import Path

import hydra
import pytest

from tests.support.composing import compose_config
from tlbench.config import overrides, search_path
from tlbench.config.overrides import check_choices, options
from tlbench.config.search_path import CONF_DIR
from tlbench.errors import UserError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["target_task=nope"],
            "Change target_task: there is no 'nope'; there are boolq, causes, ",
        ),
        (["support_task=nope"], "Change support_task: there is no 'nope'; there are .*none"),
        (["target_task=rte,nope"], "there is no 'nope'"),
        (["target_task=choice(rte,nope)"], "there is no 'nope'"),
        (["support_task=null"], "there is no 'null'"),
        (["subsample_size=100"], "there is no '100'; there are full, half"),
        (
            ["target_task="],
            "Change target_task: give it a value; there are boolq, causes, ",
        ),
        (["+experiment=smoke"], "^Write experiment=smoke, not \\+experiment=smoke"),
        (["++encoder=tiny"], "^Write encoder=tiny, not \\+\\+encoder=tiny"),
        (["target_task@x=rte"], "^Write target_task=rte, not target_task@x=rte"),
        (["experiment=[paper,nope]"], "there is no 'nope'"),
        (["experiment=search"], "Add hydra/sweeper=optuna: experiment=search is a search"),
    ],
)
def test_an_unknown_option_is_named_with_those_there_are(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_choices(words)


@pytest.mark.parametrize(
    "word",
    [
        "target_task=rte",
        "target_task=rte,mnli",
        "target_task=glob(*)",
        "target_task='rte'",
        "subsample_size={target: 5}",
        "~experiment",
        "+suite.more=1",
        "logger.mine.project=x",
        "+optim.optimizer.betas=[0.9,0.99]",
        "hydra.launcher.n_jobs=2",
        "+hydra.x=1",
        "optim.lr=1",
        "seed=range(3)",
        "hydra/launcher=joblib",
        "experiment=[paper]",
        "target_task=rte.yaml",
    ],
)
def test_everything_else_is_hydras(word: str) -> None:
    check_choices([word])


@pytest.mark.parametrize(
    ("word", "extra"),
    [
        ("hydra/launcher=slurm", "slurm"),
        ("hydra/launcher=submitit_local", "slurm"),
        ("hydra/launcher=joblib", "parallel"),
        ("hydra/launcher=gpus", "parallel"),
        ("hydra/sweeper=optuna", "optuna"),
    ],
)
def test_a_plugin_that_is_not_installed_is_named_with_its_extra(
    word: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overrides, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"{word} needs: pip install 'tlbench\[{extra}\]'"):
        check_choices([word])
    monkeypatch.setattr(overrides, "find_spec", lambda name: name)
    check_choices([word, "experiment=search", "hydra/sweeper=optuna"])


def test_options_of_a_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target_task").mkdir()
    (tmp_path / "target_task" / "mine.yaml").touch()
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    assert {"mine", "rte"} <= set(options("target_task"))
    assert {"mine", "rte", "none"} <= set(options("support_task"))
    assert options("optim.lr") == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"5\n", "can't be read as YAML"),
        (b"[1]\n", "it is not a mapping"),
        (b"name:\tx\n\ty: 1\n", "can't be read as YAML .*line 1, column [67]"),
        (b"name: \xff\n", "can't be read as YAML"),
        (b"name: a\nname: b\n", "found duplicate key name"),
        (b"[" * 5_000, "can't be read as YAML"),
    ],
)
@pytest.mark.parametrize("group", ["target_task", "support_task"])
def test_a_file_that_is_no_option_is_named(
    group: str, content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "target_task" / "mine.yaml"
    file.parent.mkdir()
    file.write_bytes(content)
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    with pytest.raises(UserError, match=f"Change .*mine.yaml: .*{said}"):
        check_choices([f"{group}=rte,mine"])
    check_choices([f"{group}=rte"])


def test_an_option_that_another_folder_hides_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hydra would take ours and say nothing."""
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    ours = CONF_DIR / "target_task" / "rte.yaml"
    (tmp_path / "target_task").mkdir()
    own = tmp_path / "target_task" / "rte.yaml"
    own.write_bytes(ours.read_bytes())
    check_choices(["target_task=rte"])
    own.write_text("name: rte\n")
    for group in ("target_task", "support_task"):
        with pytest.raises(UserError) as refused:
            check_choices([f"{group}=mnli,rte"])
        assert str(refused.value) == f"Rename {own}: {group}=rte means {ours}."
    check_choices(["target_task=mnli"])


def test_an_option_has_no_search_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_path, "_folders", [CONF_DIR, tmp_path])
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\nhydra: {searchpath: ['file:///x']}\n")
    with pytest.raises(UserError, match=r"^Leave out hydra\.searchpath in .*mine.yaml and add it"):
        check_choices(["experiment=mine"])


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("stratgy=mtl", "strategy"),
        ("targt_task=rte", "target_task"),
        ("trainer.gradient_clip_val=1", "optim.gradient_clip (norm that no gradient exceeds)"),
        ("+trainer.gradient_clip_val=1", "optim.gradient_clip"),
        ("++learning_rate=1e-4", "optim.lr (learning rate at the peak of the schedule)"),
        ("num_train_epochs=3", "trainer.max_epochs"),
        ("per_device_train_batch_size=8", "batch_size"),
        ("trainer.accumulate_grad_batches=4", "micro_batch_size"),
        ("gradient_accumulation_steps=4", "micro_batch_size"),
        ("max_grad_norm=1", "optim.gradient_clip"),
        ("warmup_ratio=0.1", "optim.warmup"),
        ("lr_scheduler_type=cosine", "optim.schedule"),
        ("max_seq_length=128", "encoder.max_length"),
        ("model_name_or_path=bert-base-cased", "encoder.name"),
        ("trainer.val_check_interval=0.5", "eval_every"),
        ("patience=3", "trainer.early_stopping"),
        ("fp16=true", "trainer.precision"),
        ("gpus=2", "trainer.devices"),
        ("report_to=wandb", "logger"),
        ("loss=mean", "method"),
        ("optim.learning_rat=1", "optim.lr"),
        ("max_epochs=3", "trainer.max_epochs"),
        ("trainer.batch_size=8", "batch_size"),
        ("optim.weigth_decay=0", "optim.weight_decay"),
        ("project=x", "logger.wandb.project"),
        ("~optim.learnin_rate", "optim.lr"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_is_meant(word: str, meant: str) -> None:
    name = word.partition("=")[0].lstrip("+~")
    with pytest.raises(UserError) as raised:
        check_choices([word])
    assert str(raised.value).startswith(
        f"Change {name}: there is no such key; did you mean {meant}"
    )


def test_a_key_like_no_other_is_named_with_where_all_are() -> None:
    with pytest.raises(UserError, match=r"Change xyzzy: there is no such key \(docs/"):
        check_choices(["+xyzzy=1"])


@pytest.mark.parametrize(
    "words",
    [
        "debug=fast strategy=mtl support_task=mnli optim.lr=0.5 encoder={max_length:16}",
        "experiment=paper strategy=mtl_all strategy.tasks=[rte,mnli] ~logger +tags=[x] trainer=gpu",
        "optim.lr=1 optim=adamw_8bit hydra/launcher=basic seed=3 seed=4",
    ],
)
def test_the_tests_compose_as_hydra_does(words: str) -> None:
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        by_hydra = hydra.compose("config", words.split())
    assert compose_config(*words.split()) == by_hydra
