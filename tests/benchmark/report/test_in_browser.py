"""The report in a real browser, at the width of a phone and of a desk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from nmt.benchmark.report import write_report
from nmt.benchmark.report.page import for_script
from tests.benchmark.report.small_results import LADDER, small_results
from tests.benchmark.report.test_page import TEXT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_OVERFLOWING = """() => [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".scroll, .skip, svg, thead") && e.getClientRects().length)
  .map((e) => [e, e.parentElement.closest(".card") ?? document.body])
  .filter(([e, card]) => e.getBoundingClientRect().right > card.getBoundingClientRect().right + 0.5)
  .map(([e]) => e.outerHTML.slice(0, 120))"""

_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (rgb) => rgb
    .map((value) => value / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const [r, g, b, a] = rgba(getComputedStyle(element).backgroundColor);
    if (a === 255) return [r, g, b];
    const under = behind(element.parentElement);
    return [r, g, b].map((value, n) => (value * a + under[n] * (255 - a)) / 255);
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    const svg = element.closest("svg");
    if (!text || element.matches("script, noscript *, :disabled, option") ||
        !element.getClientRects().length) continue;
    const colour = rgba(getComputedStyle(element)[svg ? "fill" : "color"]).slice(0, 3);
    const [one, other] = [luminance(colour), luminance(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) bad.push([ratio.toFixed(2), element.outerHTML.slice(0, 100)]);
  }
  return bad;
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    results = small_results(generated=True)
    other = results.tests[0].model_copy(
        update={"name": "fair", "sentences": results.tests[0].sentences[:3]}
    )
    write_report(results.model_copy(update={"tests": [*results.tests, other]}), path)
    return path


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The report on a desk; no test may leave an error in the console."""
    yield from _open(browser, report, viewport={"width": 1280, "height": 900})


def _open(browser: Browser, report: Path, **options: Any) -> Iterator[Page]:
    context = browser.new_context(offline=True, **options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    page.locator("#list li").first.wait_for()
    yield page
    context.close()
    assert said == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(browser: Browser, report: Path, width: int, scheme: str) -> None:
    for page in _open(
        browser, report, viewport={"width": width, "height": 844}, color_scheme=scheme
    ):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(_OVERFLOWING) == []
        assert page.evaluate(_CONTRAST) == []


def test_the_button_changes_the_colours(page: Page) -> None:
    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    before = background()
    page.get_by_role("button", name="Switch to dark colours").click()
    assert background() != before
    page.get_by_role("button", name="Switch to light colours").click()
    assert background() == before


def test_pages_of_sentences(page: Page) -> None:
    items = page.locator("#list li")
    status = page.locator("#status")
    assert status.inner_text() == "1–10 of 24"
    page.get_by_role("button", name="Next").first.click()
    page.get_by_role("button", name="Next").first.click()
    assert status.inner_text() == "21–24 of 24"
    assert items.count() == 4
    assert page.get_by_role("button", name="Next").first.is_disabled()
    page.get_by_role("button", name="Previous").last.click()
    assert status.inner_text() == "11–20 of 24"


def test_search_is_of_all_texts_whatever_the_case(page: Page) -> None:
    search = page.get_by_role("searchbox")
    search.fill("BÄCKER")
    assert page.locator("#status").inner_text() == "1–10 of 12"
    found = page.evaluate("[...CSS.highlights.get('found')].map(String)")
    assert set(found) == {"Bäcker"}
    search.fill("(")
    assert page.locator("#status").inner_text() == "Nothing found"
    assert page.locator("#list li").count() == 0
    search.fill("  ")
    assert page.locator("#status").inner_text() == "1–10 of 24"


def test_orders(page: Page) -> None:
    order = page.get_by_label("Order")
    numbers = page.locator("#list li .how")
    order.select_option("original")
    assert numbers.all_inner_texts() == [f"Sentence {n}" for n in range(1, 11)]
    order.select_option("longest")
    sources = page.locator("#list li .rows > div:first-child dd").all_inner_texts()
    assert [len(text) for text in sources] == sorted(map(len, sources), reverse=True)
    order.select_option("loss-2")
    gains = [_chrf(page, n, 1) - _chrf(page, n, 2) for n in range(10)]
    assert gains == sorted(gains, reverse=True)


def _chrf(page: Page, item: int, system: int) -> int:
    label = page.locator("#list li").nth(item).locator(".output dt small").nth(system)
    return int(label.inner_text().split()[1])


def test_systems_can_be_left_out(page: Page) -> None:
    page.get_by_role("checkbox", name="word-by-word").uncheck()
    names = page.locator("#list li").first.locator(".output dt .name")
    assert names.all_inner_texts() == list(LADDER[1:])


def test_another_test_set(page: Page) -> None:
    page.locator("#test").select_option("fair")
    assert page.locator("#status").inner_text() == "1–3 of 3"


def test_phrases_by_pointer(page: Page) -> None:
    page.get_by_label("Order").select_option("original")
    item = page.locator("#list li").first
    item.locator("dd.phrases .unit").nth(1).hover()
    assert item.locator(".how").inner_text() == "“alte” comes from “old”."
    assert item.locator(".lit").count() == 7
    page.locator("h2").first.hover()
    assert item.locator(".lit").count() == 0
    assert item.locator(".how").inner_text() == "Sentence 1"


def test_attention_by_keyboard(page: Page) -> None:
    page.get_by_label("Order").select_option("original")
    item = page.locator("#list li").first
    item.locator("dd.phrases").focus()
    page.keyboard.press("Tab")
    how = item.locator(".how")
    assert how.inner_text() == "“Der” looks at “The” 90\u00a0%."
    page.keyboard.press("ArrowRight")
    assert how.inner_text() == "“alte” looks at “old” 90\u00a0%."
    page.keyboard.press("End")
    assert how.inner_text() == "“0” looks at “0” 90\u00a0%."
    assert item.locator("dd.attention .unit.active").inner_text() == "0"


def test_attention_by_tap(browser: Browser, report: Path) -> None:
    size = {"width": 390, "height": 844}
    for page in _open(browser, report, viewport=size, has_touch=True, is_mobile=True):
        page.get_by_label("Order").select_option("original")
        item = page.locator("#list li").first
        item.locator("dd.attention .unit").nth(2).tap()
        assert item.locator(".how").inner_text() == "“Bäcker” looks at “baker” 90\u00a0%."
        page.locator("h2").last.tap()
        assert item.locator(".how").inner_text() == "Sentence 1"


def test_all_that_acts_is_reached_by_keyboard(page: Page) -> None:
    wanted = page.locator(
        "nav a, button:enabled, input, select, summary, dd.phrases, dd.attention"
    ).count()
    reached = 0
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        reached += 1
    assert reached >= wanted


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, TEXT)
def test_a_browser_reads_the_data_as_it_was(page: Page, text: str, other: str) -> None:
    value = {"text": text, other: [text, other]}
    html = f"<script type='application/json'>{for_script(value)}</script><p>end</p>"
    read = """(html) => {
      const page = new DOMParser().parseFromString(html, "text/html");
      const names = [...page.querySelectorAll("head > *, body > *")].map((e) => e.localName);
      return [names, JSON.stringify(JSON.parse(page.querySelector("script").textContent))];
    }"""
    names, text_read = page.evaluate(read, html)
    assert names == ["script", "p"]
    assert json.loads(text_read) == value


def test_a_page_does_not_grow_with_the_test_set(browser: Browser, tmp_path: Path) -> None:
    """A thousand sentences stay quick on a phone: as many elements as for two dozen."""
    num_elements = []
    for times in (1, 42):
        results = small_results()
        [test] = results.tests
        many = test.model_copy(update={"sentences": test.sentences * times})
        path = tmp_path / f"{times}.html"
        write_report(results.model_copy(update={"tests": [many]}), path)
        for page in _open(browser, path, viewport={"width": 390, "height": 844}):
            page.get_by_label("Order").select_option("original")
            page.get_by_role("button", name="Next").last.click()
            assert page.locator("#status").inner_text() == f"11–20 of {24 * times:,}"
            num_elements.append(page.evaluate("document.querySelectorAll('*').length"))
    assert num_elements[0] == num_elements[1]
