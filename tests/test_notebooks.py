"""The notebooks run on a small study, from the first cell to the last."""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pyarrow.parquet as pq
import pytest
from nbclient import NotebookClient

from tests.support.planted import grid, heuristic_holds, write
from tlbench.analysis import Analysis, analyse_study, collect
from tlbench.analysis.selection import optimism
from tlbench.cli.report import main

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "notebooks"
PUBLISHED = ["paper", "budgets_and_selection", "size_ablation", "methods", "unlabelled", "python"]


def grid_study(folder: Path) -> None:
    write(grid({"mnli": 1000, "cola": 100, "rte": 10}, heuristic_holds, seeds=range(3)), folder)


def size_study(folder: Path) -> None:
    for rows in (100, 200):
        for times in (0.5, 1, 2):
            sizes = {"qnli": rows, "mnli": int(times * rows)}
            records = grid(
                sizes,
                heuristic_holds,
                seeds=range(3),
                strategies=["stilts", "mtl"],
                random=rows + sizes["mnli"],
            )
            records = [one for one in records if one.target_task == "qnli"]
            write(records, folder / f"{rows}-{times}")


def execute(name: str) -> list[dict[str, object]]:
    """Run a notebook where it stands; what all its cells put out."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    place = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    return outputs(notebook)


def outputs(notebook: nbformat.NotebookNode) -> list[dict[str, object]]:
    return [out for cell in notebook.cells for out in cell.get("outputs", ())]


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))


@pytest.mark.parametrize(
    ("name", "make", "texts"),
    [
        ("paper", grid_study, ["size heuristic", "rte: MTL with mnli"]),
        ("size_ablation", size_study, ["always MTL", "MTL − STILTs"]),
        ("budgets_and_selection", grid_study, ["held-out selection", "6 of 6"]),
    ],
)
def test_a_notebook_runs_on_any_study(
    name: str,
    make: Callable[[Path], None],
    texts: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(tmp_path / "study")
    monkeypatch.setenv("TLBENCH_STUDY", str(tmp_path / "study"))
    monkeypatch.setenv("TLBENCH_STUDIES", ":".join([str(tmp_path / "study")] * 3))
    found = execute(name)
    shown = "\n".join(map(str, found))
    assert all(text in shown for text in texts)
    assert any("image/png" in out.get("data", {}) for out in found)


def texts_of(found: list[dict[str, object]]) -> list[object]:
    """What a reader reads of it; pictures are as their fonts are."""
    return [
        out.get("text") or out["data"]["text/plain"] for out in found if out.get("name") != "stderr"
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_records_give_the_published_notebook(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TLBENCH_STUDY", "TLBENCH_STUDIES"):
        monkeypatch.delenv(variable, raising=False)
    committed = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    assert texts_of(execute(name)) == texts_of(outputs(committed)) != []


def test_the_published_records_give_the_published_figure(tmp_path: Path) -> None:
    study = FOLDER / "glue_cpu"
    assert main([str(study / "records.parquet"), "--out", str(tmp_path)]) == 0
    for name in ("heat_map", "best_of_pair"):
        drawn = (tmp_path / "figures" / f"{name}.svg").read_text()
        assert drawn == (study / f"{name}.svg").read_text()


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.*")), ids=lambda file: file.name)
def test_what_is_published_is_small_and_says_nothing_of_a_machine(file: Path) -> None:
    content = file.read_bytes()
    assert len(content) < 1_000_000
    if file.suffix == ".parquet":
        content = "".join(pq.read_table(file).column("record").to_pylist()).encode()
    assert not re.search(rb"(?<![\w.])/(home|tmp|work|root|Users|data)/", content)
    assert b'"output_type": "error"' not in content


def published(name: str) -> Analysis:
    (analysis,) = analyse_study(collect([FOLDER / "glue_cpu" / f"{name}.parquet"]))
    return analysis


def test_the_page_says_what_the_published_records_say() -> None:
    analysis = published("records")
    mean = 100 * analysis.per_task["mean"]
    rules = analysis.rules.set_index("rule")
    heuristic, constant = rules.loc["size heuristic"], rules.loc["always STILTs"]
    pairs, student = len(analysis.comparisons), analysis.tests.set_index("test").loc["student"]
    welch = analysis.tests.set_index("test").loc["welch"]
    low, high = 100 * heuristic.applicable_low, 100 * heuristic.applicable_high
    tasks = 100 * heuristic.applicable_low_tasks, 100 * heuristic.applicable_high_tasks
    page = " ".join((FOLDER / "README.md").read_text("utf-8").split())
    for words in (
        f"{mean['MTL-ALL']:.1f} points on average beside {mean['single']:.1f} for the target alone",
        f"STILTs beats pairwise MTL in {constant.all_right:.0f} of {pairs} pairs",
        f"right in {heuristic.applicable_right:.0f} of the {student.p:.0f} that differ at p < 0.1",
        f'"always STILTs" is right in {constant.applicable_right:.0f}',
        f"{low:.0f} to {high:.0f}%",
        f"{welch.holm:.0f} pairs survive Holm's correction of Welch's test",
        f"{tasks[0]:.0f} to {tasks[1]:.0f}% over targets and supports",
    ):
        assert words in page
    mixing = published("mixing").rules.set_index("rule")
    heuristic, constant = mixing.loc["size heuristic"], mixing.loc["always STILTs"]
    assert (
        f"right in {heuristic.applicable_right:.0f} of {heuristic.applicable_pairs:.0f}, "
        f'"always STILTs" in {constant.applicable_right:.0f}'
    ) in page
    clean = published("held_out")
    rules, pairs = clean.rules.set_index("rule"), len(clean.comparisons)
    applicable = rules.applicable_pairs["size heuristic"]
    left = f"{applicable:.0f} of the {pairs} pairs in which the heuristic says MTL or is wrong"
    assert left in page
    assert rules.applicable_right["size heuristic"] == rules.applicable_right["always STILTs"] == 1
    sizes = published("sizes")
    of_sizes = sizes.rules.set_index("rule").loc["size heuristic"]
    assert f"right in {of_sizes.all_right:.0f} of {len(sizes.comparisons)} combinations" in page
    assert sizes.tests.holm.sum() == 0  # of Welch's and the paired test
    candidates = [one for advice in analysis.advice for one in advice.verdict.candidates]
    # Of none, and each was tested: the best guess may not be what is proved.
    assert {one.proved for one in candidates if one.strategy != "single"} == {"nothing"}
    best = {one.target: one.verdict.best for one in analysis.advice}
    for target in ("rte", "mnli"):
        guess = best[target]
        assert guess is not None
        assert guess.has_rows  # its interval is over seeds and dev rows
        gain, expected = 100 * guess.gain, 100 * guess.shrunk
        assert f"{gain:+.1f} points, of which {expected:+.1f} can be expected" in page
        assert f"{100 * guess.low:.1f} to {100 * guess.high:+.1f}" in page
    flattered = optimism(collect([FOLDER / "glue_cpu" / "records.parquet"]).table)
    assert flattered is not None
    assert f"flatters a score by {100 * flattered.mean:.1f} points" in page


def test_the_pages_say_what_was_found_with_200_labels_worst_groups_and_adapters() -> None:
    page = " ".join((FOLDER / "README.md").read_text("utf-8").split())
    runs = published("unlabelled").table
    by_seed = runs.pivot_table(index="seed", columns=["strategy", "support"], values="score")
    alone = by_seed["single", "-"]
    assert f"({100 * alone.mean():.1f} points, the majority is 49.7" in page
    for strategy, support, words in (
        ("mtl", "mnli_relabelled", "MTL with MNLI's rows relabelled {:+.1f}"),
        ("stilts", "mnli_relabelled", "STILTs with them {:+.1f}"),
        ("mtl", "synthesised", "{:+.1f} beside the target (+1.6"),
        ("mtl", "consistency", "consistency {:+.1f}"),
        ("self_training", "unlabelled", "self-training {:+.1f}"),
    ):
        gain = 100 * (by_seed[strategy, support] - alone).mean()
        assert words.format(gain) in page
    for name in ("groups", "adapters"):
        guide = (FOLDER.parent / "docs" / "guide" / f"{name}.md").read_text("utf-8")
        for strategy, scores in published(name).table.groupby("strategy").score:
            assert f"| {100 * scores.mean():.1f} ({100 * scores.std():.1f}) |" in guide, strategy


def test_the_readme_says_it_in_short() -> None:
    readme = " ".join((FOLDER.parent / "README.md").read_text("utf-8").split())
    analysis = published("records")
    rules = analysis.rules.set_index("rule")
    student = analysis.tests.set_index("test").loc["student"]
    always, heuristic = rules.loc["always STILTs"], rules.loc["size heuristic"]
    pairs = len(analysis.comparisons)
    assert f"STILTs beats MTL in {always.all_right:.0f} of {pairs} pairs" in readme
    right = f"is right in {heuristic.applicable_right:.0f} of the {student.p:.0f} pairs"
    assert f"{right} that differ at p < 0.1" in readme
    assert f'"Always STILTs" is right in {always.applicable_right:.0f}.' in readme
    unproved = ("none proved better", "not proved better than single")
    assert all(one.proved in unproved for one in analysis.advice)
