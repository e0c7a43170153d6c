"""Hooks of the docs site: pages that are elsewhere in the repository, and links out of the site.

The Markdown files are read in three places: in a checkout, in a repository's web view, and here. So
their links are those between files. Some pages of the site are files beside `docs`; and a link to a
file that is no page becomes that file's name, as the site may be read without the repository.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Files of the repository that are pages or pictures of the site, and where.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "notebooks/README.md": "study.md",
    "notebooks/glue_cpu/heat_map.svg": "images/heat_map.svg",
    "notebooks/glue_cpu/best_of_pair.svg": "images/best_of_pair.svg",
}
_HOME = {page: file for file, page in PAGES.items()}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_EXTERNAL = re.compile(r"[a-z]+:")
_FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that live elsewhere."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make links those between pages."""
    here = page.file.src_uri
    home = _HOME.get(here, f"docs/{here}")
    prose = _FENCE.split(markdown)  # every other part is code
    prose[::2] = [_LINK.sub(lambda link: _linked(link, home, here), part) for part in prose[::2]]
    return "".join(prose)


def _linked(link: re.Match[str], home: str, here: str) -> str:
    mark, text, target, anchor = link.group(1), link.group(2), link.group(3), link.group(4) or ""
    if not target or _EXTERNAL.match(target):
        return link.group(0)
    file = normpath(str(PurePosixPath(home).parent / target))
    page = PAGES.get(file, file.removeprefix("docs/") if file.startswith("docs/") else "")
    if page and (file in PAGES or file.endswith((".md", ".svg", ".png"))):
        return f"{mark}[{text}]({relpath(page, str(PurePosixPath(here).parent))}{anchor})"
    plain = text.replace("`", "")
    name = "" if plain and plain in file else f" (`{file}`)"
    return (f"`{plain}`" if not name else text) + name
