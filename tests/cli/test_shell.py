"""The habits of a shell's user, as real processes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_tlbench import FAST, Command
from tests.support.experiments import write_users_task
from tlbench.records.record import read_record

pytestmark = pytest.mark.slow
SIZES = ("subsample_size.target=20", "subsample_size.support=20")


def test_a_home_in_every_path(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    write_users_task(home, "accuracy")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("OUT", "~/from the environment")
    (home / "my_conf" / "experiment").mkdir()
    (home / "my_conf" / "experiment" / "homely.yaml").write_text(
        "# @package _global_\nstore_dir: ~/store\ncache_dir: ~/cache\n"
        "hydra: {run: {dir: '${oc.env:OUT}/run'}}\nlogger: {wandb: {save_dir: ~/logs}}\n"
    )
    places = ("--config-dir=~/my_conf", "experiment=homely", "target_task.source.path=~/data")
    ran = command(*places, *FAST, *SIZES, "target_task=mine", "logger=wandb")
    assert ran.returncode == 0, ran.stderr
    assert read_record(home / "from the environment" / "run" / "result.json").status == "done"
    assert (home / "logs" / "wandb").is_dir()
    swept = command("-m", *places, *FAST, *SIZES, "target_task=mine", "hydra.sweep.dir=~/swept")
    assert swept.returncode == 0, swept.stderr
    assert len(list((home / "swept").glob("*/result.json"))) == 1
    assert len(list((home / "store").glob("*/stage.json"))) == 1  # reused
    listed = command("--store=~/store", "ls", module="tlbench.cli.store")
    assert listed.returncode == 0, listed.stderr
    shown = command("~/swept", "--out=~/report", module="tlbench.cli.report")
    assert shown.returncode == 0, shown.stderr
    assert (home / "report" / "index.html").is_file()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith("~")]


@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_a_sweep_that_changes_folders_shares_a_store(
    command: Command, tmp_path: Path, launcher: str
) -> None:
    if launcher != "basic":
        plugin = {"joblib": "joblib", "submitit_local": "submitit"}[launcher]
        pytest.importorskip(f"hydra_plugins.hydra_{plugin}_launcher")
    asked = ("support_task=mrpc", "strategy=stilts", "study=there", f"hydra/launcher={launcher}")
    ran = command("-m", *FAST, *asked, "hydra.job.chdir=true")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"multirun"}
    (file,) = (tmp_path / "multirun" / "there").glob("*/result.json")
    assert read_record(file).status == "done"
    assert len(list((tmp_path / "multirun" / ".store").glob("*/stage.json"))) == 2
    assert list(tmp_path.rglob(".store")) == [tmp_path / "multirun" / ".store"]


def test_a_single_run_that_changes_folders(command: Command, tmp_path: Path) -> None:
    write_users_task(tmp_path, "accuracy")
    asked = ("--config-dir=my_conf", *FAST, *SIZES, "target_task=mine", "hydra.job.chdir=true")
    ran = command(*asked, "logger=wandb", "logger.wandb.save_dir=logs", "store_dir=store")
    assert ran.returncode == 0, ran.stderr
    names = {"multirun", "logs", "store", "my_conf", "data"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_tasks_of_a_search_path_in_all_roles(command: Command, tmp_path: Path) -> None:
    write_users_task(tmp_path, "accuracy")
    path = ("hydra.searchpath=[my_conf]", *FAST, *SIZES)
    as_support = command(*path, "support_task=mine", "strategy=mtl")
    assert as_support.returncode == 0, as_support.stderr
    in_all = command(*path, "strategy=mtl_all", "strategy.tasks=[mine,rte]")
    assert in_all.returncode == 0, in_all.stderr
    assert "mine" in in_all.stderr
    swept = command("-m", *path, "support_task=mine,mnli", "strategy=stilts", "study=swept")
    assert swept.returncode == 0, swept.stderr
    assert len(list((tmp_path / "multirun" / "swept").glob("*/result.json"))) == 2


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with the console scripts, as an installation makes them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in (("tlbench", "__main__"), ("tlbench-store", "cli.store")):
        code = f"#!{sys.executable}\nimport sys\nfrom tlbench.{module} import main\n"
        (folder / name).write_text(f"{code}sys.exit(main())\n")
        (folder / name).chmod(0o755)
    return folder


def completions(scripts: Path, line: str) -> list[str]:
    """What bash offers at the end of a line."""
    install = 'eval "$(tlbench -sc install=bash)"; '
    if line.startswith("tlbench-store"):
        install = 'eval "$(tlbench-store --print-completion bash)"; '
    words = [*shlex.split(line), *([""] if line.endswith(" ") else [])]
    code = (
        f"{install} COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; "
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
        f'read -ra spec <<< "$(complete -p {words[0]})"; '
        "for i in ${!spec[@]}; do [ ${spec[i]} = -F ] && function=${spec[i+1]}; done; "
        f'$function {words[0]} "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-c", code], cwd=scripts.parent, env=environment, capture_output=True, text=True
    )
    assert ran.stderr == ""
    return ran.stdout.split()


def test_bash_completes_what_the_line_can_choose(scripts: Path, tmp_path: Path) -> None:
    write_users_task(tmp_path, "accuracy")
    mnli = ["target_task=mnli", "target_task=mnli_negation"]
    assert completions(scripts, "tlbench --config-dir my_conf target_task=mn") == mnli
    own = completions(scripts, "tlbench --config-dir my_conf target_task=mi")
    assert own == ["target_task=mine"]
    path = "hydra.searchpath=[my_conf] support_task=mi"
    assert completions(scripts, f"tlbench {path}") == ["support_task=mine"]
    assert completions(scripts, "tlbench -m target_task=mi") == []
    assert completions(scripts, "tlbench-store pr") == ["prune"]
    assert completions(scripts, "tlbench-store verify --c") == ["--cache"]
