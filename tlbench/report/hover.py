"""Gives parts of a figure their numbers: on hover, on tap and to a screen reader, by SVG alone.

A browser shows the ``<title>`` of what a mouse is over. A tap or the tab key focuses a part; then
the page's style shows its text in lines that every such figure has below.
"""

import re
import textwrap
from typing import Any

from markupsafe import escape
from matplotlib.artist import Artist
from matplotlib.figure import Figure

_CELL = re.compile(r"^(cell|hit)(-\d+)?$")
_LINE = 10  # points, of a line of the text below
_CHARACTERS = 4.4  # points, about, of one of them


def say(artist: Artist, text: str, is_area: bool = False) -> None:
    """Make an artist tell a text; an area is invisible, over what it tells about."""
    artist.set_gid("hit" if is_area else "cell")
    artist.set_label(f"_{text}")  # so that no legend takes it for an entry


def numbered(figure: Figure) -> dict[str, str]:
    """Give the artists that tell a text ids of their own, and return the texts by id."""
    tells: Any = lambda artist: bool(_CELL.match(artist.get_gid() or ""))  # noqa: E731
    texts = {}
    for number, artist in enumerate(figure.findobj(tells)):
        kind = str(artist.get_gid()).split("-")[0]
        artist.set_gid(f"{kind}-{number}")
        texts[f"{kind}-{number}"] = str(artist.get_label()).removeprefix("_")
    return texts


def with_texts(svg: str, texts: dict[str, str]) -> str:
    """Return matplotlib's SVG with the texts of its parts, and with room for one below."""
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
        start = f'<g id="{key}">'
        assert svg.count(start) == 1, f"{key} is not drawn once"
        told = escape(texts[key])
        spans = "".join(
            f'<tspan x="4" y="{height + _LINE * (number + 0.8):g}">{escape(line)}</tspan>'
            for number, line in enumerate(lines)
        )
        named = (
            f'<g id="{key}" class="{key.split("-")[0]}" tabindex="0" role="img" '
            f'aria-label="{told}"><title>{told}</title>'
            f'<text class="told" visibility="hidden" font-size="8" '
            f'font-family="sans-serif">{spans}</text>'
        )
        svg = svg.replace(start, named, 1)
    return svg
