"""The notebooks run on a small study, from the first cell to the last."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.analysis.planted import grid, heuristic_holds, write

FOLDER = Path(__file__).parents[1] / "notebooks"


def grid_study(folder: Path) -> None:
    write(grid({"mnli": 1000, "cola": 100, "rte": 10}, heuristic_holds, seeds=range(3)), folder)


def size_study(folder: Path) -> None:
    for rows in (100, 200):
        for times in (0.5, 1, 2):
            sizes = {"qnli": rows, "mnli": int(times * rows)}
            records = grid(sizes, heuristic_holds, seeds=range(3), strategies=["stilts", "mtl"],
                           random=rows + sizes["mnli"])  # fmt: skip
            records = [one for one in records if one.target_task == "qnli"]
            write(records, folder / f"{rows}-{times}")


@pytest.mark.parametrize(
    ("name", "make", "texts"),
    [
        ("paper", grid_study, ["size heuristic", "rte: MTL with mnli"]),
        ("size_ablation", size_study, ["always MTL", "MTL − STILTs"]),
    ],
)
def test_a_notebook_runs(name, make, texts, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "study")
    monkeypatch.setenv("TLBENCH_STUDY", str(tmp_path / "study"))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    shown = "\n".join(str(out) for out in outputs)
    assert all(text in shown for text in texts)
    assert any("image/png" in out.get("data", {}) for out in outputs)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.ipynb")), ids=lambda file: file.stem)
def test_committed_notebooks_have_no_outputs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert file.stat().st_size < 10_000
