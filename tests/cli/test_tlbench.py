"""The command line as a user types it: real processes in an empty folder."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.experiments import write_users_task
from tlbench.records.record import read_record

Command = Callable[..., subprocess.CompletedProcess[str]]
FAST = ("debug=fast",)


def test_a_single_run_prints_a_table_and_leaves_a_record(command: Command, tmp_path: Path) -> None:
    ran = command(*FAST, "target_task=cola")
    assert ran.returncode == 0, ran.stderr
    assert "single cola seed 0" in ran.stdout
    (file,) = (tmp_path / "multirun" / "adhoc").glob("cola-single-seed0-*/result.json")
    assert read_record(file).status == "done"
    assert {path.name for path in tmp_path.iterdir()} == {"multirun"}
    log = (file.parent / "tlbench.log").read_text()
    assert "cola s0: training as target" in log
    again = command(*FAST, "target_task=cola")
    assert "is in the store" in again.stderr
    assert len(list((tmp_path / "multirun" / "adhoc").iterdir())) == 1


@pytest.mark.slow
def test_a_multirun_prints_one_table(command: Command, tmp_path: Path) -> None:
    sweep = ("-m", *FAST, "strategy=single,mtl", "support_task=mnli", "seed=0,1")
    ran = command(*sweep)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("gain over single") == 1
    done = r"^\d of 4, \S+ left: mtl rte<-mnli s0 [\d.]+( \(collapsed\))? in \S+$"
    assert re.search(done, ran.stderr, re.M)
    assert "step 4/4" not in ran.stderr  # it is in the job's own log, and on the screen if asked
    ran = command(*sweep, "seed=1,2", "hydra.verbose=[tlbench]")
    assert re.search(r"  mnli\+rte s2: step 4/4  mnli [\d.]+  rte [\d.]+$", ran.stderr, re.M)
    records = [read_record(file) for file in (tmp_path / "multirun").rglob("result.json")]
    assert len(records) == 6
    assert {record.strategy for record in records} == {"single", "mtl"}


@pytest.mark.slow
def test_an_experiment_names_its_study(command: Command, tmp_path: Path) -> None:
    ran = command("experiment=quickstart", "debug=fast", "seed=0", "support_task=sst2")
    assert ran.returncode == 0, ran.stderr
    files = list((tmp_path / "multirun" / "quickstart").glob("*/result.json"))
    assert len(files) == 3
    assert {read_record(file).study for file in files} == {"quickstart"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["target_task=nope"], "Change target_task: there is no 'nope'"),
        (["strategy=mtl"], "Add support_task=<task>: strategy=mtl needs one"),
        (["optim.lr=fast"], "Change optim.lr: "),
        (["encoder.name=no/such"], "Change encoder (encoder=minilm"),
        (["suite=glue_tsv"], "Change suite.root: give it a value."),
        (
            ["hydra.mode=MULTIRUN", "optim.lr=interval(0.1,1)"],
            "Change optim.lr: only a search (hydra/sweeper=",
        ),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_1(
    command: Command, arguments: list[str], said: str
) -> None:
    ran = command(*FAST, *arguments)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith(said)
    assert "Traceback" not in ran.stderr + ran.stdout


@pytest.mark.slow
def test_a_failed_job_of_a_sweep_stops_no_other(command: Command, tmp_path: Path) -> None:
    ran = command("-m", *FAST, "subsample_size.target=64,100000", "seed=0,1")
    assert ran.returncode == 1
    assert "Change subsample_size.target: 100000 asks for" in ran.stdout
    records = [read_record(file) for file in (tmp_path / "multirun").rglob("result.json")]
    assert sorted(record.status for record in records) == ["done"] * 2 + ["failed"] * 2


@pytest.mark.slow
def test_a_collapse_is_counted_and_its_score_is_0(command: Command, tmp_path: Path) -> None:
    ran = command("-m", *FAST, "target_task=cola", "optim.lr=1e-12", "seed=0,1", "logger=none")
    assert ran.returncode == 0, ran.stderr
    assert "single cola s1" in ran.stderr
    assert ran.stderr.count(" 0.0 (collapsed) in ") == 2
    assert re.search(r"│ cola .* 2 │ 0.0 ± 0.0 .*│ +2 │$", ran.stdout, re.M)
    shown = command("multirun", module="tlbench.cli.report")
    assert shown.returncode == 0, shown.stderr
    assert "predict the same for every row of dev: cola 2 of 2." in shown.stderr


@pytest.mark.slow
def test_scores_on_an_edited_dev_file_are_not_averaged_with_those_before(
    command: Command, tmp_path: Path
) -> None:
    write_users_task(tmp_path, "accuracy")
    for seed in (0, 1, 2):
        ran = command(
            "--config-dir",
            "my_conf",
            "-m",
            *FAST,
            "target_task=mine",
            f"seed={seed}",
            "study=edited",
            "subsample_size.target=20",
        )
        assert ran.returncode == 0, ran.stderr
        if seed == 0:
            dev = tmp_path / "data" / "dev.jsonl"
            dev.write_text(dev.read_text().replace("good", "bad", 5))
    shown = command("multirun/edited", module="tlbench.cli.report")
    assert shown.returncode == 0, shown.stderr
    assert "The records differ in tasks.mine.rows.dev (" in shown.stderr
    assert "2 of 3 records; tlbench-report --by tasks.mine.rows.dev has all." in shown.stderr
    apart = command("multirun/edited", "--by", "tasks", module="tlbench.cli.report")
    assert apart.returncode == 0, apart.stderr
    assert len(list((tmp_path / "report").glob("*/tables/scores.csv"))) == 2


@pytest.mark.slow
def test_a_diverging_rate_and_labels_all_the_same_are_no_failures_of_a_sweep(
    command: Command, tmp_path: Path
) -> None:
    asked = ("target_task=cola", "optim.lr=1e-12,1e6", "subsample_size.dev=1", "logger=none")
    ran = command("-m", *FAST, *asked)
    assert ran.returncode == 0, ran.stderr
    assert "undefined: single cola s0: matthews is not defined" in ran.stdout
    assert "diverged: single cola s0: after step 2 of 4" in ran.stdout
    records = [read_record(file) for file in (tmp_path / "multirun").rglob("result.json")]
    assert {record.outcome for record in records} == {"undefined", "diverged"}
    shown = command("multirun", module="tlbench.cli.report")
    assert shown.returncode == 1  # there is nothing to report, in one sentence
    said = shown.stderr.splitlines()[-1]
    assert said.startswith("Nothing to report: none of the ")
    assert "Traceback" not in shown.stderr


@pytest.mark.slow
def test_a_failure_takes_no_finished_record_away(command: Command, tmp_path: Path) -> None:
    assert command(*FAST).returncode == 0
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    before = file.read_text()
    assert command(*FAST, "store_dir=/dev/null/store").returncode == 1
    assert file.read_text() == before


@pytest.mark.slow
def test_users_tasks_from_a_folder(command: Command, tmp_path: Path) -> None:
    write_users_task(tmp_path, "macro_f1")
    mine = ("--config-dir", "my_conf", *FAST)
    sizes = ("subsample_size.target=null", "subsample_size.support=null")
    as_target = command(*mine, *sizes, "target_task=mine")
    assert as_target.returncode == 0, as_target.stderr
    assert "macro_f1" in as_target.stdout
    as_support = command(*mine, *sizes, "support_task=mine", "strategy=stilts")
    assert as_support.returncode == 0, as_support.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--cfg", "job"), ("-m", "hydra.sweeper.dry_run=true")])
def test_no_release_of_hydra_warns_of_what_we_use(
    command: Command, arguments: tuple[str, ...]
) -> None:
    ran = command(*arguments, *FAST)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.slow
def test_help_config_and_planning_do_without_torch(command: Command) -> None:
    probe = (
        "import sys; sys.argv = ['tlbench', *{arguments!r}]\n"
        "from tlbench.__main__ import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    for arguments in (["--help"], ["--cfg", "job"], ["debug=fast", "strategy=mtl"]):
        code = probe.format(arguments=arguments)
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "torch was imported" not in ran.stderr
        assert ran.returncode == ("strategy=mtl" in arguments), ran.stderr
