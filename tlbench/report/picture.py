"""A figure of the page: its files, its caption, and its SVG inside of the page."""

import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from tlbench.report.hover import focusable, numbered
from tlbench.report.style import write


@dataclass(frozen=True)
class Picture:
    """A figure of the page: the name of its files, what it shows, and the SVG itself."""

    name: str
    caption: str
    svg: str

    @property
    def tells(self) -> bool:
        """Whether its parts tell their numbers."""
        return 'tabindex="0"' in self.svg


def picture(name: str, caption: str, figure: Figure, folder: Path) -> Picture:
    """Write a figure's files into a folder."""
    svg = write(figure, folder, name)
    return Picture(name, caption, focusable(svg, numbered(figure)))


def inline(shown: Picture, prefix: str) -> Markup:
    """Return a figure's SVG for the page: its own ids, a label, and no size but the column's."""
    start = shown.svg.index("<svg")
    text = shown.svg[start:]
    mark = re.sub(r"\W", "_", f"{prefix}{shown.name}")
    text = re.sub(r'\bid="', f'id="{mark}-', text)
    text = re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{mark}-", text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    label = Markup.escape(shown.caption)
    # A picture is one thing to a screen reader, unless its parts tell something of their own.
    role = "group" if shown.tells else "img"
    # The SVG is matplotlib's, which escapes the task names in it, with texts escaped by ``hover``.
    named = text.replace("<svg ", f'<svg role="{role}" aria-label="{label}" ', 1)
    return Markup(named)  # noqa: S704  # nosec B704
