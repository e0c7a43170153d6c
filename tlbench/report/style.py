"""How figures look, and how they are written: for colour-blind readers and a phone's width.

Blue is the first side of a comparison, or better than the baseline; orange is the second, or worse.
"""

import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tlbench.report.hover import numbered, titled

BLUE, PALE_BLUE, GREY, PALE_ORANGE, ORANGE = "#0a5f9e", "#9ccbe8", "#eeeeee", "#f8c891", "#b34700"
# Okabe and Ito's, without the yellow, which white swallows; each with a mark of its own.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#56b4e9", "#e69f00", "#777777")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LONGEST = 150  # characters of a file's name
WIDTH = 4.7  # inches: about a phone's width, so that text keeps its size there
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tlbench",  # the same figure is the same file
    "text.parse_math": False,  # a task may be called $x
    "hatch.linewidth": 0.6,
    "figure.constrained_layout.use": True,
}


def svg(figure: Figure) -> str:
    """Return a figure as SVG text, the same for the same figure, with what its parts tell."""
    out, texts = io.StringIO(), numbered(figure)
    with mpl.rc_context(STYLE):
        # Without date and version, so that it can be committed and compared.
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return titled(out.getvalue(), texts)


def write(figure: Figure, folder: Path, name: str) -> str:
    """Write ``name.svg`` and ``name.png``, and return the SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    text = svg(figure)
    (folder / f"{name}.svg").write_text(text, "utf-8")
    with mpl.rc_context(STYLE):
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
    return text


def file_name(name: str) -> str:
    """Return a name as that of a file or folder, no longer than one may be."""
    word = re.sub(r"[^A-Za-z0-9.=_-]+", "_", name)
    return word if len(word) <= _LONGEST else f"{word[:_LONGEST]}-{_digest(name)}"


def file_names(names: Sequence[str]) -> list[str]:
    """Return different names as those of different files, on a disk that ignores case too."""
    words = [file_name(name) for name in names]
    alike = Counter(word.casefold() for word in words)
    return [
        word if alike[word.casefold()] == 1 else f"{word}-{_digest(name)}"
        for name, word in zip(names, words, strict=True)
    ]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
