"""The order of the folders: each imports only from those below it, and none in a circle."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tlbench"
# From the top to the bottom; see docs/concepts/architecture.md.
ORDER = (
    "cli",
    "doctor",
    "report",
    "sweep",
    "jobs",
    "export",
    "predictors",
    "analysis",
    "merging",
    "synthesis",
    "training",
    "records",
    "models",
    "plan",
    "data",
    "methods",
    "tasks",
    "store",
    "config",
    "console",
    "progress",
    "errors",
)
WITHOUT_TORCH = ("plan", "records", "analysis", "store", "config", "tasks", "methods")
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(file): file for file in MODULES}


def imported(file: Path) -> Iterator[str]:
    """The modules of the package that a file imports, wherever in it and for whatever reason."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in NAMES)
        if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == "tlbench":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in NAMES else str(node.module)


def only_for_types(file: Path) -> set[str]:
    """Those of them that only a type checker imports."""
    tree = ast.parse(file.read_text("utf-8"))
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    found = [n for b in blocks for n in ast.walk(b) if isinstance(n, ast.ImportFrom)]
    return {str(node.module) for node in found}


def test_every_folder_has_its_place() -> None:
    there = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES}
    assert there - {"__init__", "__main__"} == set(ORDER)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_module_imports_nothing_from_above(name: str) -> None:
    own = name.split(".")[1:2]
    if own in ([], ["__main__"]):
        return
    below = ORDER[ORDER.index(own[0]) :]
    wrong = [other for other in imported(NAMES[name]) if other.split(".")[1] not in below]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {}
    for name, file in NAMES.items():
        typed = only_for_types(file)
        graph[name] = {other for other in imported(file) if other not in typed and other != name}
    assert list(TopologicalSorter(graph).static_order())


def test_what_plans_and_what_reads_results_does_without_torch() -> None:
    names = [name for name in NAMES if name.split(".")[1:2] and name.split(".")[1] in WITHOUT_TORCH]
    code = f"import sys\nfor name in {names}: __import__(name)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
