"""What W&B's variables do, and what W&B would refuse."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import wandb
from hypothesis import given
from hypothesis import strategies as st

from tests.support.experiments import Run
from tlbench.errors import UserError
from tlbench.jobs.wandb_run_id import resume
from tlbench.jobs.wandb_settings import LONGEST, fitted, fitted_tags, login_mode

Opened = Callable[..., dict[str, Any]]


@pytest.fixture
def opened(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opened:
    """Run an experiment; what its W&B run is opened with."""
    calls: list[dict[str, Any]] = []
    init = wandb.init
    monkeypatch.setattr(wandb, "init", lambda **given: calls.append(given) or init(**given))
    monkeypatch.chdir(tmp_path)

    def go(*overrides: str, in_sweep: bool = False, **variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        run("logger=wandb", "optim.lr=1e-4", *overrides, in_sweep=in_sweep)
        return calls[-1]

    return go


VARIABLES = {
    "WANDB_PROJECT": "ours",
    "WANDB_ENTITY": "lab",
    "WANDB_RUN_GROUP": "night",
    "WANDB_NAME": "first try",
    "WANDB_TAGS": "a, b,,rte",
    "WANDB_JOB_TYPE": "pilot",
    "WANDB_NOTES": "why",
}


@pytest.mark.slow
def test_the_variables_say_what_the_config_does_not(opened: Opened, tmp_path: Path) -> None:
    usual = opened()
    assert (usual["project"], usual["entity"], usual["group"]) == ("tlbench", None, "adhoc")
    assert (usual["name"], usual["job_type"]) == ("single rte s0", "single")
    assert usual["dir"] == "multirun"
    call = opened(**VARIABLES, WANDB_DIR=str(tmp_path / "wb"))
    for key in ("project", "entity", "group", "name", "job_type", "notes"):
        assert call[key] == VARIABLES[f"WANDB_{'RUN_GROUP' if key == 'group' else key.upper()}"]
    assert call["tags"] == ("single", "rte", "tiny", "a", "b")
    assert list((tmp_path / "wb" / "wandb").glob("offline-run-*"))
    swept = opened(in_sweep=True)
    assert swept["name"] == "first try single rte s0"
    own = ["project=mine", "entity=me", "group=g", "name=n", "job_type=j", "tags=[c]"]
    call = opened(*(f"logger.wandb.{one}" for one in own), f"logger.wandb.save_dir={tmp_path}/o")
    words = [call[key] for key in ("project", "entity", "group", "name", "job_type")]
    assert words == ["mine", "me", "g", "n", "j"]
    assert call["tags"] == ("single", "rte", "tiny", "c")
    assert call["dir"] == f"{tmp_path}/o"


@pytest.mark.slow
def test_one_id_is_of_one_job(
    opened: Opened, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(WANDB_RUN_ID="mine")["id"] == "mine"
    second = "+logger.second={_target_: tlbench.jobs.wandb_log.WandbLog}"
    call = opened(second, WANDB_PROJECT="ours")
    assert (call["id"], call["project"], call["mode"]) == ("mine-second", "ours", "offline")
    swept = [opened(f"seed={seed}", in_sweep=True)["id"] for seed in (1, 2)]
    assert len({*swept, "mine"}) == 3
    assert "WANDB_RUN_ID is not used: it would put all jobs of a sweep into one run" in caplog.text
    # An agent of a W&B sweep sets both.
    assert opened("seed=3", WANDB_SWEEP_ID="sweep")["id"] is None
    with pytest.raises(UserError, match="Change command in the file of the W&B sweep"):
        opened("seed=3", in_sweep=True)
    monkeypatch.delenv("WANDB_SWEEP_ID")
    with pytest.raises(UserError, match="Change WANDB_RUN_ID: 'a/b' is no id"):
        opened("seed=4", WANDB_RUN_ID="a/b")


def test_what_the_config_overrules_is_not_looked_at(tmp_path: Path) -> None:
    """In a process of its own: W&B reads its variables once in each."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tlbench.jobs.loggers import RunInfo\n"
        "from tlbench.jobs.wandb_log import WandbLog\n"
        "info = RunInfo('job', 'study', 'single', ('rte',), {}, Path('job'))\n"
        "log = WandbLog(info, project='fine', mode='offline', save_dir='wb', notes=['a'])\n"
        "print(log.run.project, log.run.tags, os.environ['WANDB_PROJECT'])\n"
        "log.finish({}, failed=False)\n"
    )
    variables = {
        "WANDB_PROJECT": "a/b",
        "WANDB_MODE": "OFFLINE",
        "WANDB_RESUME": "must",
        "WANDB_TAGS": "," + "a" * 65,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"fine ('rte', '{fitted('a' * 65, 'tag')}') a/b\n", done.stderr


def test_disabled(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert opened("logger.wandb.mode=disabled")["mode"] == "disabled"
    assert not list(tmp_path.glob("multirun/wandb/*run-*"))
    assert opened(WANDB_DISABLED="true")["mode"] == "offline"  # WANDB_MODE of the tests
    monkeypatch.delenv("WANDB_MODE")
    assert opened(WANDB_DISABLED="true")["mode"] == "disabled"
    assert opened(WANDB_DISABLED="false")["mode"] == "offline"


def test_an_encoder_with_a_long_name(opened: Opened, tmp_path: Path) -> None:
    tags = []
    for last in "bc":
        folder = tmp_path / ("a" * 64 + last)
        folder.symlink_to(files("tlbench") / "assets" / "tiny")
        tags.append(opened(f"encoder.name={folder}", "encoder.pretrained=false")["tags"])
    assert [len(tag) for tag in tags[0]] == [6, 3, 64]
    assert tags[0] != tags[1]


@given(st.lists(st.text(max_size=90), max_size=8), st.none() | st.text(max_size=200))
def test_whatever_the_words_wandb_takes_the_tags(words: list[str], more: str | None) -> None:
    tags = fitted_tags(words, more)
    wandb.Settings(run_tags=tags)
    assert len(set(tags)) == len(tags)
    stripped = {word.strip() for word in words} - {""}
    assert len(fitted_tags(words, None)) == len(stripped)  # those that differ still do


def test_what_fits_is_as_it_is() -> None:
    assert fitted("a" * 128, "name") == "a" * 128
    assert len(fitted("a" * 129, "name")) == LONGEST["name"]


REFUSED = [
    (["project=a/b"], "Change logger.wandb.project: 'a/b' has /, which no project has"),
    (["project=" + "a" * 129], "Change logger.wandb.project: a project's name has at most 128"),
    (["project=''"], "Change logger.wandb.project: a project has a name"),
    (["entity=a/b"], "Change logger.wandb.entity: 'a/b' is not the name of a user or team"),
    (["mode=OFFLINE"], "Change logger.wandb.mode: 'OFFLINE' is none of online, offline, shared"),
    (["mode=''"], "Change logger.wandb.mode: '' is none of"),
    (["mode=online"], "Log in by `wandb login`.*or change logger.wandb.mode: 'online' needs a"),
    (["mode=shared"], "change logger.wandb.mode: 'shared' needs a login"),
    (["mode=run"], "change logger.wandb.mode: 'run' needs a login"),
    (["save_dir=/dev/null/x"], "Change logger.wandb.save_dir: /dev/null/x can't be written"),
    (["save_dir=''"], "Change logger.wandb.save_dir: give a folder"),
    (["predictions=all"], "Change logger.wandb.predictions: 'all' is none of true, false, texts"),
    (["artifacts=1"], "Change logger.wandb.artifacts: '1' is none of true, false"),
]


@pytest.mark.parametrize(("values", "said"), REFUSED)
def test_what_wandb_would_refuse_is_one_sentence(
    values: list[str], said: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match=said):
        run("logger=wandb", *(f"logger.wandb.{value}" for value in values))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("WANDB_PROJECT=a:b", "Change logger.wandb.project (or WANDB_PROJECT): 'a:b' has :"),
        ("WANDB_PROJECT=", "Change logger.wandb.project (or WANDB_PROJECT): a project has a name"),
        ("WANDB_MODE=OFFLINE", "Change logger.wandb.mode (or WANDB_MODE): 'OFFLINE' is none"),
        ("WANDB_MODE=", "Change logger.wandb.mode (or WANDB_MODE): '' is none of online"),
        ("WANDB_MODE=shared", "change logger.wandb.mode (or WANDB_MODE): 'shared' needs a login"),
        ("WANDB_DIR=/dev/null/x", "Change logger.wandb.save_dir (or WANDB_DIR): /dev/null/x can't"),
        ("WANDB_ENTITY=a b", "Change logger.wandb.entity (or WANDB_ENTITY): 'a b' is not the name"),
        ("WANDB_RUN_ID=", "Change WANDB_RUN_ID: '' is no id"),
    ],
)
def test_a_variable_that_wandb_would_refuse_is_named(
    variable: str, said: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(*variable.split("=", 1))
    with pytest.raises(UserError, match=re.escape(said)):
        run("logger=wandb", *([] if "DIR" in variable else [f"logger.wandb.save_dir={tmp_path}"]))


def test_a_resume_that_is_none_of_wandbs_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"allow": "allow", "must": "must", "never": "never", "auto": "allow"}
    for asked, meant in words.items():
        monkeypatch.setenv("WANDB_RESUME", asked)
        assert resume() == meant
    monkeypatch.setenv("WANDB_RESUME", "yes")
    with pytest.raises(UserError, match="Change WANDB_RESUME: 'yes' is none of allow, must"):
        resume()


@pytest.mark.parametrize(
    ("login", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "x" * 40}, "online"),
        ({"NETRC": "machine api.wandb.ai login user password secret"}, "online"),
        ({"NETRC": "machine example.org login user password secret"}, "offline"),
        ({"NETRC": "not a netrc file"}, "offline"),
    ],
)
def test_offline_where_there_is_no_login(
    login: dict[str, str], mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "NETRC", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in login.items():
        if name == "NETRC":
            (tmp_path / "netrc").write_text(value)
            value = str(tmp_path / "netrc")
        monkeypatch.setenv(name, value)
    assert login_mode() == mode
