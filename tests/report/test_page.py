"""The page as a person opens it, in a browser."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, Browser, browser
from tests.support.planted import grid, heuristic_holds, write
from tests.support.predicted import predicted_study
from tlbench.cli.report import main

NARROW, WIDE = 390, 1280

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module", params=["predictions", "grid", "sizes"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    if request.param == "predictions":
        predicted_study(folder, {"single": 0.7, "mtl": 0.8, "stilts": 0.6})
    elif request.param == "grid":
        write(grid({"mnli": 1000, "cola": 100, "rte": 10}, heuristic_holds), folder / "study")
    else:
        for rows in (100, 200):
            for support in (50, 100, 300):
                records = grid({"qnli": rows, "mnli": support}, heuristic_holds)
                of_target = [one for one in records if one.target_task == "qnli"]
                write(of_target, folder / "study" / f"{rows}-{support}")
    assert main([str(folder / "study"), "--out", str(folder / "out")]) == 0
    return folder / "out" / "index.html"


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_it_opens_without_an_error_or_a_request_and_is_no_wider_than_the_window(
    tab: Browser, page: Path, width: int
) -> None:
    tab.open(page, width)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    wider = """[...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll > *')
        && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML)"""
    assert tab.evaluate(wider) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    requests = [event["request"]["url"] for event in tab.reported("Network.requestWillBeSent")]
    assert [url for url in requests if not url.startswith("data:")] == [page.resolve().as_uri()]
    for name in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
        assert tab.reported(name) == []


def test_it_reads_the_same_without_scripts(tab: Browser, page: Path) -> None:
    tab.open(page, WIDE)
    text = tab.evaluate("document.body.innerText")
    tab.open(page, WIDE, script=False)
    assert tab.evaluate("document.body.innerText") == text
    assert text.index("What to do") < text.index("What these intervals cover")


def test_the_text_of_a_figure_can_be_read_on_a_phone(tab: Browser, page: Path) -> None:
    tab.open(page, NARROW)
    heights = """[...document.querySelectorAll('.answer figure svg text:not(.told)')]
        .map(one => parseFloat(getComputedStyle(one).fontSize)
            * one.ownerSVGElement.getScreenCTM().a)"""
    sizes = tab.evaluate(heights)
    assert len(sizes) > 5
    assert min(sizes) >= 8


def test_a_tap_on_a_part_of_a_figure_shows_its_numbers(tab: Browser, page: Path) -> None:
    tab.open(page, NARROW)
    place = tab.evaluate(
        """(() => { const part = document.querySelector('.hit, .cell');
        part.scrollIntoView({block: 'center'});
        const drawn = part.querySelector('use') ?? part.querySelector('path');
        const box = drawn.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2, box.width, box.height] })()"""
    )
    shown = """[...document.querySelectorAll('.told')]
        .filter(one => getComputedStyle(one).visibility == 'visible')
        .map(one => one.textContent.replace(/\\s+/g, ''))"""
    assert tab.evaluate(shown) == []
    where = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
    for kind in ("mousePressed", "mouseReleased"):
        tab.call("Input.dispatchMouseEvent", type=kind, **where)
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    (numbers,) = tab.evaluate(shown)
    assert min(place[2:]) >= 14  # pixels: what a finger can hit
    label = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    assert numbers == re.sub(r"\s+", "", label)


def test_headings_go_down_one_level_at_a_time_and_every_figure_has_a_label(
    tab: Browser, page: Path
) -> None:
    tab.open(page, WIDE)
    levels = tab.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5')].map(one => +one.tagName[1])"
    )
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    unnamed = "[...document.querySelectorAll('svg,[role=region]')].filter(one => !one.ariaLabel)"
    assert tab.evaluate(f"{unnamed}.length") == 0
