import json
import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pandas as pd
import pytest
from scipy import stats

from tests.support.planted import config, grid, heuristic_holds, none, record, write
from tlbench.cli.report import main
from tlbench.report.style import file_name

TASKS = {"mnli": 1000, "cola": 100, "rte": 10}


def report(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_study_becomes_a_page_figures_and_tables(tmp_path: Path) -> None:
    write(grid(TASKS, heuristic_holds), tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    files = {
        file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*")
    }
    for name in ("heat_map", "best_of_pair", "regression"):
        assert {f"figures/{name}.svg", f"figures/{name}.png"} <= files
    for name in (
        "advice",
        "per_task",
        "tests",
        "comparisons",
        "heuristic",
        "regression",
        "power",
        "best_of_pair",
        "strategies",
        "totals",
        "scores",
    ):
        assert {f"tables/{name}.csv", f"tables/{name}.tex"} <= files
    assert len(pd.read_parquet(tmp_path / "out" / "records.parquet")) == 5 * 18
    page = (tmp_path / "out" / "index.html").read_text()
    assert "MTL with mnli" in page
    assert page.count("<svg") == 3 + len(TASKS)  # a strip for each target
    assert all(f"figures/strip_{task}.svg" in page for task in TASKS)
    links = re.findall(r'href="([^"#]+)"', page)
    assert all((tmp_path / "out" / link).is_file() for link in links)


@pytest.mark.slow
def test_the_page_needs_nothing_else_and_its_ids_are_its_own(tmp_path: Path) -> None:
    write(grid(TASKS, heuristic_holds), tmp_path / "study")
    report(tmp_path / "study", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert not re.search(r'<script|<link|src="|url\(http|@import', page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|xlink:href="#)([^")]+)', page)) <= set(ids)
    assert page.count("<section") == page.count("</section>") == 1


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    write(grid(TASKS, heuristic_holds), tmp_path / "study")
    for out in ("one", "two"):
        report(tmp_path / "study", "--out", tmp_path / out)
    for file in (tmp_path / "one").rglob("*.*"):
        other = tmp_path / "two" / file.relative_to(tmp_path / "one")
        assert file.read_bytes() == other.read_bytes(), file.name


@pytest.mark.slow
def test_the_order_in_which_records_are_read_changes_no_table(tmp_path: Path) -> None:
    records = [*grid(TASKS, none), *grid(TASKS, none, strategies=["mtl"], method="mean")]
    for name, ordered in (("one", records), ("two", records[::-1])):
        for number, one in enumerate(ordered):
            one.write(tmp_path / name / f"{number:03}")
        report(tmp_path / name, "--out", tmp_path / f"report {name}")
    for file in (tmp_path / "report one" / "tables").iterdir():
        other = tmp_path / "report two" / "tables" / file.name
        assert file.read_bytes() == other.read_bytes(), file.name


@pytest.mark.slow
def test_tables_are_in_points(tmp_path: Path) -> None:
    write(grid(TASKS, heuristic_holds, noise=0.0), tmp_path / "study")
    report(tmp_path / "study", "--out", tmp_path / "out")
    scores = pd.read_csv(tmp_path / "out" / "tables" / "per_task.csv", index_col="choice")
    assert scores.rte["single"] == pytest.approx(70)
    assert scores.loc["majority class"].eq(50).all()


@pytest.mark.slow
def test_what_only_a_csv_shows_is_in_points_too(tmp_path: Path) -> None:
    write(grid(TASKS, heuristic_holds, noise=0.01), tmp_path / "study")
    report(tmp_path / "study", "--out", tmp_path / "out")
    for name in ("comparisons", "best_of_pair"):
        frame = pd.read_csv(tmp_path / "out" / "tables" / f"{name}.csv")
        squares = frame.sd_first**2, frame.sd_second**2
        freedom = (frame.seeds - 1) * sum(squares) ** 2 / (squares[0] ** 2 + squares[1] ** 2)
        welch = stats.t.ppf(0.95, freedom) * (sum(squares) / frame.seeds) ** 0.5
        assert (frame.high_seeds - frame.difference).to_numpy() == pytest.approx(welch, abs=1e-4)
        assert frame.sd_first.between(0.1, 3).all()


def test_the_answer_comes_first_then_what_it_covers_then_notices(tmp_path: Path) -> None:
    records = grid(TASKS, none)
    for number, one in enumerate(records):
        one.git_revision = f"{number % 2}" * 40 + "-dirty"
    write(records, tmp_path / "study")
    report(tmp_path / "study", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    places = [page.index(text) for text in ("What to do", "What these intervals", ">Notices<")]
    assert places == sorted(places)
    shown = re.findall(r"git_revision \(([^)]+)\)", page)[0].split(", ")
    assert sorted(shown) == ["00000000-dirty", "11111111-dirty"]
    assert "0" * 9 not in page


def test_names_are_escaped(tmp_path: Path) -> None:
    tasks = {"<script>x</script>": 10, "a & b": 100}
    records = grid(tasks, none)
    for number, one in enumerate(records):
        one.write(tmp_path / "study" / str(number))
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script" not in page
    assert "a & b" not in page


@pytest.mark.slow
def test_whatever_a_record_says_is_escaped(tmp_path: Path) -> None:
    evil = "<script>x</script>"
    records = grid(TASKS, none)
    for number, one in enumerate(records):
        one.study, one.encoder, one.device = evil, evil, f"{evil}{number % 2}"
        one.config = config(one.strategy, one.target_task, heads=f"{evil}{number % 2}")
        one.config["strategy"]["label"] = one.config["method"]["label"] = evil
    records[0].status, records[0].score, records[0].error = "failed", None, evil
    records[1].status, records[1].score, records[1].error = "diverged", None, evil
    write(records, tmp_path / "study")
    foreign = tmp_path / "study" / "<script>"
    foreign.mkdir()
    (foreign / "result.json").write_text("{")
    assert report(tmp_path / "study", "--by", "heads", "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;x&lt;/script&gt;") > 5
    assert "&lt;script&gt;/result.json is not a result record" in page


@pytest.mark.parametrize("strategy", ["single", "mtl", "mine"])
def test_a_study_with_one_strategy_gives_its_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], strategy: str
) -> None:
    records = [record(strategy, "rte", "mnli", TASKS, seed, 0.6) for seed in range(3)]
    write(records, tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Nothing can be compared here" in page
    assert "60.0" in page
    assert "MTL and STILTs can't be compared" in capsys.readouterr().err


def test_any_two_strategies_are_compared(tmp_path: Path) -> None:
    records = grid(TASKS, heuristic_holds, strategies=["single", "mtl", "mine"])
    for one in records:
        if one.strategy == "mine":
            one.config["strategy"]["label"] = "<Mine>"
    write(records, tmp_path / "study")
    out = tmp_path / "out"
    assert report(tmp_path / "study", "--compare", "mine,mtl", "--out", out) == 0
    rules = pd.read_csv(out / "tables" / "heuristic.csv").rule
    assert {"always <Mine>", "always MTL"} < set(rules)
    comparisons = pd.read_csv(out / "tables" / "comparisons.csv")
    assert set(comparisons.heuristic) == set(comparisons.winner) == {"mine", "mtl"}
    assert set(comparisons.heuristic[comparisons.target_rows < comparisons.support_rows]) == {
        "mine"
    }
    page = (out / "index.html").read_text()
    for text in (
        "&lt;Mine&gt; minus MTL in points. Blue: &lt;Mine&gt; is better; orange: MTL is better",
        "The better of &lt;Mine&gt; and MTL minus single",
        "expects &lt;Mine&gt; (above 0)",
        "takes &lt;Mine&gt; where the target is smaller than the support, else MTL.",
        "&lt;Mine&gt; and MTL differ in ",
        "<h3>&lt;Mine&gt; against MTL, pair by pair</h3>",
        "Student's t (above 0: &lt;Mine&gt; better)",
    ):
        assert text in page
    assert "STILTs" not in page
    assert "<Mine>" not in page


@pytest.mark.slow
def test_two_strategies_that_train_all_tasks_are_compared(tmp_path: Path) -> None:
    records = grid(TASKS, none, strategies=["single", "mtl_all"])
    other = grid(TASKS, none, strategies=["mtl_all"], random=1)
    for one in other:
        one.strategy = "all_then_target"
        one.config["strategy"] |= {"name": one.strategy, "label": "ALL-THEN-TARGET"}
    write([*records, *other], tmp_path / "study")
    compare = "all_then_target,mtl_all"
    assert report(tmp_path / "study", "--compare", compare, "--out", tmp_path / "out") == 0
    drawn = (tmp_path / "out" / "figures" / "heat_map.svg").read_text()
    assert ">all</text>" in drawn
    scores = pd.read_csv(tmp_path / "out" / "tables" / "per_task.csv")
    assert {"ALL-THEN-TARGET", "MTL-ALL", "size heuristic"} < set(scores.choice)


@pytest.mark.parametrize("compare", ["mtl", "mtl,nope", "mtl,mtl", "stilts,single", ","])
def test_what_can_not_be_compared_is_one_sentence(
    compare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(grid(TASKS, none, seeds=[0]), tmp_path / "study")
    assert report(tmp_path / "study", "--compare", compare, "--out", tmp_path / "out") == 1
    assert capsys.readouterr().err == (
        f"Change --compare: '{compare}' is not two of the strategies that the records have beside "
        f"single: mtl, mtl_all, stilts.\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_part_without_one_of_the_two_has_its_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for heads, strategies in (("a", ["mtl", "mtl_all"]), ("b", ["mtl", "mine"])):
        records = grid(TASKS, none, strategies=strategies)
        for one in records:
            one.config["heads"] = heads
        write(records, tmp_path / "study" / heads)
    out = tmp_path / "out"
    arguments = (tmp_path / "study", "--by", "heads", "--compare", "mine,mtl", "--out", out)
    assert report(*arguments) == 0
    assert "heads=a: mine and MTL can't be compared" in capsys.readouterr().err
    assert (out / "heads=a" / "tables" / "scores.csv").is_file()
    assert (out / "heads=b" / "tables" / "comparisons.csv").is_file()


def test_several_methods_have_a_column_and_maps_of_their_own(tmp_path: Path) -> None:
    better = grid(TASKS, lambda *_: 0.05, strategies=["mtl"], method="mean")
    write([*grid(TASKS, none), *better], tmp_path / "study")
    out = tmp_path / "out"
    assert report(tmp_path / "study", "--out", out) == 0
    page = (out / "index.html").read_text()
    assert "strategies MTL, MTL-ALL, single, STILTs, methods mean, sum, 5 seeds" in page
    assert "MTL minus STILTs in points, method mean. Blue" in page
    assert "MTL (mean) with " in page
    # In comparisons, best of pair, strategies, scores and candidates.
    assert page.count(">method</th>") == 5
    drawn = {file.stem for file in (out / "figures").iterdir()}
    strips = {f"strip_{task}" for task in TASKS}
    assert drawn - strips == {"heat_map_mean", "heat_map_sum", "best_of_pair", "regression"}
    assert strips < drawn
    comparisons = pd.read_csv(out / "tables" / "comparisons.csv")
    assert comparisons.groupby("method").size().to_dict() == {"mean": 6, "sum": 6}
    scores = pd.read_csv(out / "tables" / "scores.csv")
    assert scores[scores.strategy == "mtl"].groupby("method").size().to_dict() == {
        "mean": 6,
        "sum": 6,
    }


@pytest.mark.slow
def test_one_method_is_not_shown(tmp_path: Path) -> None:
    indifferent = grid(TASKS, none, strategies=["single", "stilts"], seeds=[7, 8], method="mean")
    write([*grid(TASKS, none), *indifferent], tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    assert ">method</th>" not in page
    assert "mean, sum" not in page
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    assert set(scores.seeds[scores.strategy == "stilts"]) == {7}  # five, and two of the other


@pytest.mark.slow
def test_several_supports_are_one_support_of_that_name(tmp_path: Path) -> None:
    records = [
        record(strategy, target, support, TASKS, seed, 0.6 + seed / 100 + bonus)
        for strategy, bonus in (("single", 0.0), ("stilts", 0.01), ("mtl", 0.05))
        for target, support in (("rte", "mnli+cola"), ("rte", "mnli"), ("cola", "mnli+rte"))
        for seed in range(3)
    ]
    write(records, tmp_path / "study")
    out = tmp_path / "out"
    assert report(tmp_path / "study", "--out", out) == 0
    page = (out / "index.html").read_text()
    assert "MTL with mnli+cola" in page
    assert "Missing pairs" in page
    comparisons = pd.read_csv(out / "tables" / "comparisons.csv")
    sizes = comparisons.set_index("support").support_rows
    assert sizes.to_dict() == {"mnli+cola": 1100, "mnli": 1000, "mnli+rte": 1010}
    assert ">mnli+cola</text>" in (out / "figures" / "heat_map.svg").read_text()


@pytest.mark.slow
def test_an_incomplete_grid_is_counted_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [r for r in grid(TASKS, none) if (r.strategy, r.target_task) != ("mtl", "rte")]
    records[0].status, records[0].score, records[0].error = "failed", None, "out of memory"
    write(records, tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().err
    assert "Failed experiments: 1" in printed
    assert "Missing pairs of the grid: 2" in printed
    page = (tmp_path / "out" / "index.html").read_text()
    assert "rte with cola, rte with mnli" in page
    assert "out of memory" in page
    for name in ("heat_map", "best_of_pair"):
        drawn = (tmp_path / "out" / "figures" / f"{name}.svg").read_text()
        assert ">missing</text>" in drawn


@pytest.mark.slow
def test_what_has_no_score_is_counted_named_and_in_no_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = grid(TASKS, none)
    without = [one for one in records if one.strategy == "single"][:3]
    without[0].status, without[0].score, without[0].error = (
        "diverged",
        None,
        "the loss was not finite",
    )
    for one in without[1:]:
        one.score, one.metrics, one.undefined = None, {"f1": None}, ["f1"]
    write(records, tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().err
    assert "Experiments whose training has diverged: 1, in no mean and no test" in printed
    assert "Experiments whose score is not defined: 2, in no mean and no test" in printed
    assert printed.count("A setting that lost seeds so looks better than it is.") == 2
    assert "repeat" not in printed
    page = (tmp_path / "out" / "index.html").read_text()
    assert "single mnli, seed 42: the loss was not finite" in page
    assert page.count(": f1 is not defined where all labels of dev are the same") == 2
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    (single,) = scores[(scores.strategy == "single") & (scores.target == "mnli")].itertuples()
    left = [r.score for r in records if r.target_task == "mnli" and r.strategy == "single"]
    defined = [score for score in left if score is not None]
    assert (single.seeds, len(defined)) == (2, 2)
    assert single.score == pytest.approx(100 * sum(defined) / 2)


@pytest.mark.slow
def test_collapsed_runs_are_counted_and_in_every_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = grid(TASKS, none)
    for one in records:
        one.collapsed = one.strategy == "single" and one.target_task == "rte" and one.seed == 42
        one.score = 0.0 if one.collapsed else one.score
    write(records, tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert "the same for every row of dev: rte 1 of 30. They are in all means" in printed.err
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count(">collapsed</th>") == 2  # by strategy, and in all scores
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    (single,) = scores[(scores.strategy == "single") & (scores.target == "rte")].itertuples()
    left = [r.score for r in records if r.target_task == "rte" and r.strategy == "single"]
    assert (single.seeds, single.collapsed, scores.collapsed.sum()) == (5, 1, 1)
    assert single.score == pytest.approx(20 * sum(map(float, left)))


@pytest.mark.slow
def test_older_records_without_a_correlation_are_read_and_it_is_said_as_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = grid(TASKS, none)
    cola = [one for one in records if one.target_task == "cola"]
    for one in cola:
        one.config["target_task"]["score"] = ["matthews"]
        one.metrics, one.majority_score = {"matthews": one.score, "accuracy": 0.7}, None
    for one in cola[:3]:
        one.score, one.metrics["matthews"], one.undefined = None, None, ["matthews"]
    cola[2].metrics["accuracy"] = 1.0
    write(records, tmp_path / "study")
    assert report(tmp_path / "study", "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().err
    assert "the same for every row of dev: cola 2 of 29." in printed
    assert "labels were the same: 2, taken as collapsed, with a correlation of 0." in printed
    assert "all labels of dev are the same: 1, taken as not defined." in printed
    scores = pd.read_csv(tmp_path / "out" / "tables" / "scores.csv").set_index("target")
    assert scores.loc["cola"].collapsed.sum() == 2
    assert scores.loc["rte"].collapsed.isna().all()  # nobody knows
    assert scores.loc["cola"].majority.eq(0).all()


@pytest.mark.slow
def test_a_target_without_any_score_and_a_part_without_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lr in (1e-4, 1e6):
        records = [r for r in grid(TASKS, none) if r.support_tasks != ["cola"]]
        for one in records:
            one.config = config(one.strategy, one.target_task, optim={"lr": lr})
            if lr == 1e6 or one.target_task == "cola":
                one.status, one.score, one.error = "diverged", None, "too fast"
        write(records, tmp_path / "study" / str(lr))
    assert report(tmp_path / "study", "--by", "optim.lr", "--out", tmp_path / "out") == 0
    page = (tmp_path / "out" / "index.html").read_text()
    for text in (page, capsys.readouterr().err):
        assert "Nothing to report for optim.lr=1000000.0: none of the 70 records has" in text
        assert "training has diverged: 30" in text


@pytest.mark.slow
def test_a_majority_class_without_a_score_is_undefined(tmp_path: Path) -> None:
    records = grid(TASKS, heuristic_holds)
    for one in records:
        one.majority_score = None
    write(records, tmp_path / "study")
    report(tmp_path / "study", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Majority class: undefined." in page
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL).split("<body>")[1]


@pytest.mark.slow
def test_a_size_study_has_lines(tmp_path: Path) -> None:
    for rows in (100, 200):
        for support in (50, 100, 300):
            records = grid({"qnli": rows, "mnli": support}, none, strategies=["stilts", "mtl"])
            write([r for r in records if r.target_task == "qnli"], tmp_path / f"{rows}-{support}")
    assert report(tmp_path, "--out", tmp_path / "out") == 0
    drawn = (tmp_path / "out" / "figures" / "sizes_qnli_mnli.svg").read_text()
    assert "rows of mnli per row of qnli" in drawn


def test_a_part_of_many_keys_has_a_folder_that_may_be_so_long(tmp_path: Path) -> None:
    for rows in ("first", "second"):
        records = [one for one in grid(TASKS, none, seeds=[0, 1]) if one.strategy == "mtl_all"]
        for one in records:
            one.digests = {
                f"task_{n}": {"train": rows, "dev": rows, "dev_other": rows} for n in range(9)
            }
            one.tasks = {name: {"score": ["accuracy"]} for name in one.digests}
        write(records, tmp_path / rows)
    assert report(tmp_path, "--by", "tasks", "--out", tmp_path / "out") == 0
    folders = [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert len(folders) == 2
    assert all(len(name) < 200 for name in folders)


@pytest.mark.slow
def test_by_makes_a_part_of_each(tmp_path: Path) -> None:
    for name in ("size", "uniform"):
        records = grid(TASKS, none)
        for one in records:
            one.config = config(one.strategy, one.target_task, sampling={"name": name})
        write(records, tmp_path / name)
    assert report(tmp_path, "--by", "sampling", "--out", tmp_path / "out") == 0
    for name in ("size", "uniform"):
        part = tmp_path / "out" / file_name(f"sampling.name={name}")
        assert (part / "figures" / "heat_map.svg").is_file()
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<h2>sampling.name=size</h2>" in page


@pytest.mark.parametrize("content", [None, "{", '{"a": 1}'])
def test_what_is_no_study_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content:
        (tmp_path / "result.json").write_text(content)
    assert report(tmp_path, "--out", tmp_path / "out") == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert printed.startswith("Give another study: there are no result records in ")


def test_a_study_that_failed_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = record("single", "rte", None, TASKS, 0, math.nan, status="failed")
    write([failed], tmp_path)
    assert report(tmp_path, "--out", tmp_path / "out") == 1
    assert "none of the 1 records has a score" in capsys.readouterr().err


@pytest.mark.slow
def test_the_report_goes_to_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(grid({"mnli": 20, "rte": 10}, none, seeds=[0, 1]), tmp_path / "study")
    assert report("study", "--wandb", "--out", "out") == 0
    (run,) = (tmp_path / "multirun" / "wandb").glob("offline-run-*")
    command = ["wandb", "leet", "inspect", "--json", str(run)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (about,) = [entry["run"] for entry in map(json.loads, shown.splitlines()) if "run" in entry]
    assert (about["run_group"], about["job_type"]) == ("planted", "report")
    logged = {file.name.split("_0_")[0] for file in (run / "files" / "media").rglob("*.*")}
    assert {"page", "heat_map", "best_of_pair", "comparisons", "per_task", "advice"} <= logged


@pytest.mark.slow
def test_the_command(tmp_path: Path, command: Callable[..., CompletedProcess[str]]) -> None:
    write(grid(TASKS, heuristic_holds, seeds=range(3)), tmp_path / "study")
    done = command("study", module="tlbench.cli.report")
    assert done.returncode == 0, done.stderr
    assert "rte (10 rows): MTL with mnli [not tested] +" in done.stdout
    assert done.stdout.endswith("report: report/index.html\n")
    missing = command("nowhere", module="tlbench.cli.report")
    assert missing.returncode == 1
    assert missing.stderr == "Give another study: the folder nowhere is not there.\n"
