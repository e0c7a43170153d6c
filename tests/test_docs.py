"""Every page of the docs: its commands, links and YAML are good, and it is in the site."""

import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tests.support.composing import compose_config
from tlbench.config.arguments import arguments_for_hydra
from tlbench.config.command_line import parse
from tlbench.config.search_path import CONF_DIR, use
from tlbench.config.validation import parse_config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *map(ROOT.joinpath, ("README.md", "SECURITY.md"))])
PAGES += [ROOT / folder / "README.md" for folder in ("benchmarks", "notebooks")]


def blocks(page: Path, *languages: str) -> list[str]:
    """The blocks of code of a page."""
    return re.findall(rf"```(?:{'|'.join(languages)})\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """The words of every command of ours on a page, wherever in a line it stands."""
    found = []
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\||\s>\s\S+", re.sub(r"\s#\s.*", "", line)):
                start = re.search(r"(?:^|\s)((?:tlbench|tlbench-\w+)(?:\s.*)?)$", part.rstrip())
                if start and not re.search(r"\$[A-Za-z({]|<this|for \w+ in", part):
                    found.append(shlex.split(start.group(1), comments=True))
    return found


ALL = [
    pytest.param(words, id=f"{page.relative_to(ROOT)}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader is: with every YAML that a page says to write, and the folders to copy."""
    folder = tmp_path_factory.mktemp("reader")
    for page in PAGES:
        for block in blocks(page, "yaml"):
            if named := re.match(r"# (\S+\.yaml)", block):
                file = folder / named.group(1)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block)
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "conf").symlink_to(DOCS / "extend" / "conf")
    return folder


def test_there_are_commands_on_the_pages() -> None:
    assert len(ALL) > 75


@pytest.mark.parametrize("words", ALL)
def test_a_command_is_understood(
    words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    name, *arguments = words
    if name != "tlbench":
        module = import_module(f"tlbench.cli.{name.removeprefix('tlbench-')}")
        asked = {"-h", "--help", "--version", "--print-completion"} & set(arguments)
        assert asked or module.parser().parse_args(arguments)
        return
    try:
        line = parse(arguments_for_hydra(arguments))
        config_dir = line.options.get("config_dir")
        own = [f"hydra.searchpath=['{config_dir}']"] if config_dir else []
        chosen = [first_choice(one) for one in line.overrides if not one.startswith("hydra")]
        assert parse_config(compose_config(*own, *chosen)).batch_size > 0
    finally:
        use(CONF_DIR, [])


def first_choice(override: str) -> str:
    """An override of one value, of one that may sweep."""
    key, _, value = override.partition("=")
    if value.startswith("range("):
        return f"{key}=0"
    if value.startswith("[") and "],[" in value:
        return f"{key}={value.partition('],[')[0]}]"
    return override if value[:1] in "[{'\"" else f"{key}={value.split(',')[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose)):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), link
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), link


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", one)) for one in heads]
    return {re.sub(r"\s+", "-", one.strip().lower()) for one in plain}


def test_every_page_is_in_the_menu() -> None:
    menu = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text().split("\nnav:")[1])
    own = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert own <= set(menu)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = [page.read_text() for page in tmp_path.rglob("*.html")]
    assert len(pages) > 25
    for page in pages:
        sources = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', page)
        assert not [one for one in sources if one.startswith("http")]
    assert "config_dir" in (tmp_path / "api.html").read_text()  # of tlbench.run, by its docstring


OPTIONS = {
    "encoder": "encoders",
    "encoder/adapter": "adapters",
    "suite": "tasks",
    "sampling": "sampling",
    "strategy": "strategies",
    "method": "methods",
    "logger": "wandb",
}


@pytest.mark.parametrize(("group", "page"), OPTIONS.items())
def test_every_option_is_on_its_page(group: str, page: str) -> None:
    text = (DOCS / "guide" / f"{page}.md").read_text()
    for file in (CONF_DIR / group).glob("*.yaml"):
        assert re.search(rf"\b{file.stem}\b", text), f"{group}={file.stem}"


def test_the_yaml_of_a_page_can_be_read() -> None:
    for page in PAGES:
        for block in blocks(page, "yaml"):
            assert yaml.safe_load(block)


PROMISES = (DOCS / "promises.md").read_text()
NAMED = re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", PROMISES)


@pytest.mark.parametrize(("test", "file"), NAMED)
def test_a_promises_test_is_there(test: str, file: str) -> None:
    assert f"\ndef {test}(" in (DOCS / file).read_text()


def test_every_promise_names_its_test() -> None:
    promises = PROMISES.split("\n- ")[1:]
    assert len(promises) > 10
    assert all("[`test_" in promise for promise in promises)
