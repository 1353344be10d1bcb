"""The page in a browser: it sorts, filters, picks, fetches nothing, complains of nothing, and stays readable."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brinell.reporting import write
from reporting.fake_run import FAKES
from reporting.rich_run import write_rich_run
from store.rewriting import renew_hash

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs the system's Chromium"),
]
WAIT = 120_000
"""Milliseconds: machines that run tests are busy."""

OVERLAPS = """() => {
  const found = [];
  for (const band of document.querySelectorAll(".band, .answer, .picker")) {
    const parts = [...band.children].filter((part) => part.offsetParent && !part.classList.contains("unseen"));
    const boxes = parts.map((part) => part.getBoundingClientRect());
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
      const across = a.left < b.right - 1 && b.left < a.right - 1;
      if (across && a.top < b.bottom - 1 && b.top < a.bottom - 1) found.push(band.id);
    }));
    for (const box of boxes) if (box.left < -1 || box.right > innerWidth + 1) found.push(`${band.id} sticks out`);
  }
  return found;
}"""

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parse = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) =>
    [r, g, b].map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, under) => top.slice(0, 3).map((c, i) => (c * top[3] + under[i] * (255 - top[3])) / 255);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 255]);
  };
  const poor = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.offsetParent || element.closest("svg, script, .unseen, .skip, #tip")) continue;
    const under = behind(element);
    const ink = over(parse(getComputedStyle(element).color), under);
    const [a, b] = [light(ink), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(write_rich_run(tmp_path_factory.mktemp("rich"), examples=100).root)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tools:
        found = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


class Opened:
    """A page that is open at a width, and what it said and asked for since."""

    def __init__(self, browser: Any, path: Path, width: int, scheme: str) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.set_default_timeout(WAIT)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", state="attached")


@pytest.fixture(scope="module")
def opened(browser: Any, path: Path) -> dict[str, Opened]:
    return {
        "wide": Opened(browser, path, 1600, "light"),
        "narrow": Opened(browser, path, 390, "dark"),
    }


@pytest.fixture(params=["wide", "narrow"])
def page(request: pytest.FixtureRequest, opened: dict[str, Opened], path: Path) -> Iterator[Any]:
    """The page; at the end nothing was fetched and nothing complained."""
    found = opened[request.param]
    yield found.page
    found.page.emulate_media(media="screen")
    found.page.locator("[data-all=show]").click()
    assert found.said == []
    assert [url for url in found.asked if not url.startswith(("data:", path.as_uri()))] == []


wide = pytest.mark.parametrize("page", ["wide"], indirect=True)


def rows(page: Any, table: str, column: int) -> list[str]:
    """First lines of a column of the rows that show."""
    cells = page.locator(f"#{table} tbody tr:visible").all()
    return [row.locator("th, td").nth(column).inner_text().splitlines()[0] for row in cells]


def test_every_chart_is_drawn(page: Any) -> None:
    holders = page.locator("[data-chart]").count()
    assert holders > 15
    assert page.locator("[data-chart] svg").count() == holders
    assert page.locator("html").get_attribute("data-drawn") == str(holders)
    assert (
        page.locator(".chart svg").first.get_attribute("aria-label") or page.locator("[aria-roledescription]").count()
    )


@wide
def test_tables_sort_both_ways_by_mouse_and_keyboard(page: Any) -> None:
    head = page.locator("#variants thead th", has_text="File").first
    order = rows(page, "variants", 0)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert rows(page, "variants", 0) == ["distilled", "baseline", "pruned", "inq", "xnor"]
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert rows(page, "variants", 0) == ["xnor", "inq", "pruned", "baseline", "distilled"]
    assert sorted(order) == sorted(rows(page, "variants", 0))


@wide
def test_the_picker_takes_a_variant_out_of_everything(page: Any) -> None:
    chart = page.locator('[data-chart="0.0"]')
    marks = chart.locator('svg [aria-roledescription="point"]')
    before = marks.count()
    page.locator("[data-pick]", has_text="xnor").click()
    assert page.locator("[data-pick]", has_text="xnor").get_attribute("aria-pressed") == "false"
    assert page.locator("#shown").inner_text() == "4 of 5 variants shown"
    for table in ("variants", "masking", "worst-case"):
        assert "xnor" not in rows(page, table, 0)
    assert page.locator("#gallery .shots:visible").count() == 4
    page.wait_for_function(
        "([at, many]) => document.querySelectorAll(at).length < many",
        arg=['[data-chart="0.0"] svg [aria-roledescription="point"]', before],
    )
    page.locator("[data-all=hide]").click()
    assert rows(page, "variants", 0) == []
    page.locator("[data-all=show]").click()
    assert len(rows(page, "variants", 0)) == 5


@wide
def test_a_filter_keeps_rows_that_hold_all_its_words(page: Any) -> None:
    page.locator("#notes summary").click()
    filter_ = page.locator("#notes .filter")
    every = rows(page, "notes", 0)
    filter_.fill("prune kept_share")
    assert rows(page, "notes", 0) == ["pruned"]
    filter_.fill("")
    assert rows(page, "notes", 0) == every
    page.locator("[data-pick]", has_text="pruned").click()
    assert rows(page, "notes", 0) == [variant for variant in every if variant != "pruned"]


@wide
def test_hover_says_what_is_there_and_a_radius_can_be_chosen(page: Any) -> None:
    point = page.locator('[data-chart="0.0"] svg [aria-roledescription="point"]').last
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    page.wait_for_selector("#tip:not([hidden])")
    assert "robust accuracy" in page.locator("#tip").inner_text()
    page.locator('input[name="pick-0"][value="8/255"]').check(force=True)
    assert page.locator('input[name="pick-0"]:checked').input_value() == "8/255"


@wide
def test_points_can_be_read_as_a_table_that_follows_the_page(page: Any) -> None:
    numbers = page.locator('details[data-numbers="0"]')
    numbers.locator("summary").focus()
    page.keyboard.press("Enter")
    table = numbers.locator("table").first
    assert table.locator("caption").inner_text() == "Against the file's bytes"
    assert table.locator("thead th").first.inner_text() == "variant"
    heads = [head.inner_text() for head in table.locator("tbody th").all()]
    assert sorted(heads) == sorted(fake.name for fake in FAKES)
    page.locator('input[name="pick-0"][value="2/255"]').check(force=True)
    page.wait_for_function("(at) => document.querySelector(at).textContent === '2/255'", arg="details[open] td")
    first = "details[open] summary + .scroll tbody tr"
    page.locator("[data-pick]", has_text="xnor").click()
    page.wait_for_function("(at) => document.querySelectorAll(at).length === 4", arg=first)
    numbers.locator("summary").click()


@wide
def test_what_is_missing_is_no_zero_in_a_tooltip(page: Any) -> None:
    place = page.locator("#training [data-numbers]")
    place.locator("summary").click()
    cells = place.locator("tr", has_text="distilled").first.locator("td").all_inner_texts()
    assert cells == ["first", "1", "2.097", "missing", "0.10"]
    place.locator("summary").click()


@wide
def test_everything_can_be_reached_by_keyboard(page: Any) -> None:
    page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    page.locator("body").press("Home")
    page.locator(".skip").focus()
    assert page.evaluate("document.activeElement.className") == "skip"
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('button, input, a, summary, [role=region]')].filter((e) => "
        "!(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label')?.textContent.trim())).length"
    )
    assert unnamed == 0
    assert page.evaluate("() => [...document.images].every((image) => image.alt)")


def test_nothing_overlaps_or_sticks_out(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(OVERLAPS) == []


def test_text_stands_out_from_its_ground(page: Any) -> None:
    assert page.evaluate(CONTRAST) == []


@wide
def test_it_prints_without_controls(page: Any) -> None:
    page.emulate_media(media="print")
    assert not page.locator(".picker").is_visible()
    assert page.locator("#variants table").is_visible()


@wide
def test_on_paper_nothing_is_cut_off_or_folded(page: Any) -> None:
    """A page of A4 is 718 CSS pixels wide between Chromium's margins, one of Letter 740."""
    stick_out = """() => [...document.querySelectorAll("table")].filter((table) => table.checkVisibility()
        && table.getBoundingClientRect().right > innerWidth + 1).map((table) => table.innerText)"""
    folds = page.locator("details:not(.numbers)")
    before = [fold.get_attribute("open") for fold in folds.all()]
    size = page.viewport_size
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")
    for _ in range(2):
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(stick_out) == []
    assert None in before
    assert all(fold.get_attribute("open") is not None for fold in folds.all())
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert [fold.get_attribute("open") for fold in folds.all()] == before
    assert page.locator("table[style*=zoom]").count() == 0
    page.set_viewport_size(size)


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on which everything has a name of 200 letters."""
    store = write_rich_run(tmp_path_factory.mktemp("long"), examples=40)
    plan = json.loads(store.plan_path.read_bytes())
    long = "n" * 200
    plan["name"] = plan["dataset"] = long
    plan["class_names"] = [f"{long}{place}" for place in range(plan["classes"])]
    for entry in (*plan["trials"], *plan["variants"]):
        name = "attack" if "attack" in entry else "name"
        entry[name] += long
    store.plan_path.write_text(json.dumps(plan))
    renew_hash(store.plan_path)
    return write(store.root)


def test_long_names_of_everything_stay_on_the_page(browser: Any, long_names: Path) -> None:
    found = Opened(browser, long_names, 390, "light").page
    for width in (390, 1600):
        found.set_viewport_size({"width": width, "height": 900})
        assert found.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found.close()
