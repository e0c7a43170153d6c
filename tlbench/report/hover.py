"""Gives parts of a figure their numbers: on hover, on tap and to a screen reader, by SVG alone.

A browser shows the ``<title>`` of what a mouse is over, also in the figure's own file. On the page
a tap or the tab key focuses a part; then the style shows its text in lines below the figure.
"""

import re
import textwrap
from typing import Any

from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_HINT = "Hover or tap for numbers."
_CELL = re.compile(r"^(cell|hit)(-\d+)?$")
_FINGER = 14  # points
_LINE = 10  # points, of a line of the text below
_CHARACTERS = 4.4  # points, about, of one of them


def say(artist: Artist, text: str, is_area: bool = False) -> None:
    """Make an artist tell a text; an area is not seen, over what it tells about."""
    artist.set_gid("hit" if is_area else "cell")
    if is_area:
        artist.set_alpha(0.004)  # not 0: what is not filled at all is never under a mouse
    artist.set_label(f"_{text}")  # so that no legend takes it for an entry


def say_at(axes: Axes, x: float, y: float, text: str) -> None:
    """Make a point tell a text, in an area around it that a finger hits."""
    (area,) = axes.plot(x, y, "o", ms=_FINGER, color="white", zorder=9)
    say(area, text, is_area=True)


def numbered(figure: Figure) -> dict[str, str]:
    """Give the artists that tell a text ids of their own, and return the texts by id."""
    tells: Any = lambda artist: bool(_CELL.match(artist.get_gid() or ""))  # noqa: E731
    texts = {}
    for number, artist in enumerate(figure.findobj(tells)):
        kind = str(artist.get_gid()).split("-")[0]
        artist.set_gid(f"{kind}-{number}")
        texts[f"{kind}-{number}"] = str(artist.get_label()).removeprefix("_")
    return texts


def titled(svg: str, texts: dict[str, str]) -> str:
    """Return matplotlib's SVG with the texts as titles of its parts."""
    for key, text in texts.items():
        start = f'<g id="{key}">'
        assert svg.count(start) == 1, f"{key} is not drawn once"
        svg = svg.replace(start, f"{start}<title>{escape(text)}</title>", 1)
    return svg


def focusable(svg: str, texts: dict[str, str]) -> str:
    """Return a titled SVG whose parts can be tapped, with lines below for the text of one."""
    if not texts:
        return svg
    size = re.search(r'height="([\d.]+)pt" viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size, "matplotlib writes its SVG in another way"
    width, height = float(size[2]), float(size[3])
    wrapped = {key: textwrap.wrap(text, int(width / _CHARACTERS)) for key, text in texts.items()}
    taller = height + _LINE * max(map(len, wrapped.values())) + 4
    view = f'height="{taller:g}pt" viewBox="0 0 {width:g} {taller:g}"'
    svg = svg.replace(size[0], view, 1)
    for key, lines in wrapped.items():
        kind, text = key.split("-")[0], escape(texts[key])
        named = f'class="{kind}" tabindex="0" role="img" aria-label="{text}"'
        plain = f'<g id="{key}"><title>{text}</title>'
        full = f'<g id="{key}" {named}><title>{text}</title>{_told(lines, height)}'
        svg = svg.replace(plain, full, 1)
    return svg.replace("</svg>", _told([_HINT], height, "hint") + "</svg>")


def _told(lines: list[str], height: float, kind: str = "told") -> str:
    spans = "".join(
        f'<tspan x="4" y="{height + _LINE * (number + 0.8):g}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    return (
        f'<text class="{kind}" font-size="8" font-family="DejaVu Sans, sans-serif">{spans}</text>'
    )
