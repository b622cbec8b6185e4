"""The figures: the page's colours, text as text, nothing that the page forbids."""

from __future__ import annotations

import functools
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from nmt.benchmark.report.figures import (
    Figure,
    bleu_by_length,
    bleu_by_size,
    bleu_by_system,
    learning_curves,
)
from nmt.benchmark.results import CurvePoint
from tests.benchmark.report.small_results import LADDER, small_results


@functools.cache
def _all() -> list[Figure]:
    results = small_results()
    test = results.tests[0]
    found = [
        bleu_by_system(results, test, "one"),
        bleu_by_length(results, test, "two", "words"),
        learning_curves(results, "three"),
        bleu_by_size(results, "market", "four"),
    ]
    return [figure for figure in found if figure]


def test_every_colour_is_the_pages() -> None:
    for figure in _all():
        root = ET.fromstring(figure.svg)
        colours = {
            element.get(key) for element in root.iter() for key in ("fill", "stroke", "stop-color")
        }
        assert all(c is None or c == "none" or c.startswith("var(--") for c in colours), colours
        assert {"var(--ink)", "var(--system-3)"} <= colours


def test_nothing_in_them_is_forbidden_or_clashes() -> None:
    figures = _all()
    assert len(figures) == 4
    ids: list[str] = []
    for figure in figures:
        root = ET.fromstring(figure.svg)
        assert root.get("role") == "img"
        assert root.get("aria-label")
        for element in root.iter():
            assert "style" not in element.attrib
            assert element.tag.rpartition("}")[2] not in ("style", "script", "metadata", "image")
        own = [element.get("id") for element in root.iter() if element.get("id")]
        for reference in re.findall(r'(?:href="|url\()#([^")]+)', figure.svg):
            assert reference in own
        ids += [each for each in own if each]
    assert len(ids) == len(set(ids))


def test_text_is_text() -> None:
    texts = ["".join(text.itertext()).strip() for text in ET.fromstring(_all()[0].svg).iter()]
    for shown in (*LADDER, "9.5", "31.2", "36.0"):
        assert shown in texts


def test_the_tables_hold_what_is_drawn() -> None:
    by_system, by_length, curves, by_size = _all()
    assert by_system.rows[0] == ["word-by-word", "9.5", "8.0 to 11.0"]
    assert [row[:2] for row in by_length.rows] == [["1–9", "14"], ["10+", "10"]]
    assert curves.rows == [
        ["recurrent", "33.33", "33 min", "1,000"],
        ["transformer", "33.33", "33 min", "1,000"],
    ]
    assert by_size.rows[0][0] == "500"
    assert all(len(row) == len(figure.columns) for figure in _all() for row in figure.rows)


def test_the_same_figures_give_the_same_picture_and_leave_matplotlib_alone() -> None:
    before = dict(mpl.rcParams)
    again = learning_curves(small_results(), "three")
    assert again == _all()[2]
    assert dict(mpl.rcParams) == before


def test_what_was_not_measured_is_not_drawn() -> None:
    results = small_results(sizes=[])
    test = results.tests[0].model_copy(update={"lengths": results.tests[0].lengths[:1]})
    assert bleu_by_size(results, "market", "sizes") is None
    assert bleu_by_size(small_results(), "another", "sizes") is None
    assert bleu_by_length(results, test, "lengths", "words") is None
    bare = [system.model_copy(update={"curve": []}) for system in results.systems]
    assert learning_curves(results.model_copy(update={"systems": bare}), "curves") is None


@pytest.mark.parametrize("metric", ["loss", "chrf"])
def test_curves_of_what_was_validated(metric: str) -> None:
    results = small_results()
    point = CurvePoint(update=1, cpu_seconds=20_000.0, scores={metric: 4.5})
    systems = [system.model_copy(update={"curve": [point]}) for system in results.systems]
    found = learning_curves(results.model_copy(update={"systems": systems}), "curves")
    assert found is not None
    assert "processor hours" in found.svg
    assert found.rows[0][1] == "4.50"


def test_names_are_text_not_markup() -> None:
    results = small_results()
    name = "a $x$ <b>&\\frac"
    systems = [results.systems[0].model_copy(update={"name": name})]
    test = results.tests[0].model_copy(
        update={"scores": {name: results.tests[0].scores["transformer"]}}
    )
    found = bleu_by_system(results.model_copy(update={"systems": systems}), test, "one")
    texts = ["".join(text.itertext()).strip() for text in ET.fromstring(found.svg).iter()]
    assert name in texts
