import re

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tlbench.report import hover
from tlbench.report.style import svg

EVIL = '<script>"x" & y</script>'


def drawn(*texts: str) -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot()
    for place, text in enumerate(texts):
        hover.say(axes.add_patch(Rectangle((place, 0), 1, 1)), text)
    return figure


def test_a_part_has_its_text_as_title_in_the_file() -> None:
    assert re.findall("<title>([^<]+)</title>", svg(drawn("one", "one", "two"))) == [
        "one",
        "one",
        "two",
    ]


def test_on_the_page_it_can_be_focused_and_its_text_stands_below_the_figure() -> None:
    figure = drawn("short", "long " * 40)
    plain, texts = svg(figure), hover.numbered(figure)
    page = hover.focusable(plain, texts)
    assert page.count('tabindex="0" role="img" aria-label="') == 2
    height = [float(re.findall(r'viewBox="0 0 \S+ ([\d.]+)"', text)[0]) for text in (plain, page)]
    lines = [float(y) for y in re.findall(r'<tspan x="4" y="([\d.]+)">', page)]
    assert height[0] < min(lines)
    assert max(lines) < height[1]


def test_a_figure_without_such_parts_is_left_as_it_is() -> None:
    figure = drawn()
    plain = svg(figure)
    assert hover.focusable(plain, hover.numbered(figure)) == plain


@pytest.mark.parametrize("where", ["file", "page"])
def test_texts_are_escaped(where: str) -> None:
    figure = drawn(EVIL)
    text = svg(figure)
    if where == "page":
        text = hover.focusable(text, hover.numbered(figure))
    assert "<script" not in text
    assert "&lt;script&gt;&#34;x&#34; &amp; y" in text


def test_no_legend_has_them() -> None:
    figure = drawn("one")
    assert figure.axes[0].get_legend_handles_labels() == ([], [])
