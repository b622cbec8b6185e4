"""The page as a file: whole, closed to the network, and safe from what is in the corpus."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.benchmark.report import page as page_module
from nmt.benchmark.report import require_report, write_report
from nmt.benchmark.report.page import for_script, render_report
from nmt.benchmark.report.sentences import sentence_data, typical_sentence
from nmt.benchmark.results import Results
from nmt.errors import UserError
from tests.benchmark.report.small_results import LADDER, sentence, small_results

_EVIL = [
    "</script>", "<!--", "<script", "-->", "]]>", "<img src=x onerror=alert(1)>", "&lt;", "&",
    "\u2028", "\u2029", '"', "'", "\\", "\\u003c", "{{ 1 }}", "{% raw %}", "\x00", "\r", "\u202e",
    "😀", "é",
]  # fmt: skip
TEXT = st.lists(
    st.sampled_from(_EVIL) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    max_size=6,
).map("".join)


class _Reader(HTMLParser):
    """Elements, and the text of those of one name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self._open: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            place = self._open[-1]
            self.texts[place] = self.texts.get(place, "") + data


@functools.cache
def _page() -> str:
    return render_report(small_results())


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def _data(reader: _Reader) -> list[Any]:
    return [
        json.loads(reader.texts[n])
        for n, (tag, attributes) in enumerate(reader.elements)
        if tag == "script" and attributes.get("type") == "application/json"
    ]


def _with(text: str) -> Results:
    results = small_results()
    evil = sentence(text, text, dict.fromkeys(LADDER, text))
    test = results.tests[0].model_copy(update={"sentences": [evil], "name": text})
    return results.model_copy(
        update={"tests": [test], "description": text, "recipe": text, "date": text, "sizes": []}
    )


@given(TEXT, TEXT)
def test_json_in_a_script_element_comes_back(text: str, other: str) -> None:
    value = {"text": text, "list": [other, 1.5, None]}
    reader = _read(f"<script type='application/json'>{for_script(value)}</script><p>")
    assert _data(reader) == [value]
    assert [tag for tag, _ in reader.elements] == ["script", "p"]


def test_text_of_the_corpus_adds_no_element() -> None:
    text = " ".join(_EVIL) + "".join(reversed(_EVIL))
    reader, plain = _read(render_report(_with(text))), _read(render_report(_with("plain")))
    [data] = _data(reader)
    assert data["sentences"][0]["source"] == text
    [kinds, expected] = [[tag for tag, _ in read.elements] for read in (reader, plain)]
    assert kinds == expected
    for _, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes)


def test_the_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    html = _page()
    reader = _read(html)
    metas = [attributes for tag, attributes in reader.elements if tag == "meta"]
    [policy] = [meta["content"] or "" for meta in metas if "http-equiv" in meta]
    own = [
        reader.texts[n]
        for n, (tag, attributes) in enumerate(reader.elements)
        if tag == "style" or (tag == "script" and attributes.get("type") == "module")
    ]
    assert len(own) == 2
    for text in own:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any("style" in attributes for _, attributes in reader.elements)
    links = [a.get(key) or "" for _, a in reader.elements for key in ("src", "href")]
    assert all(link.startswith(("#", "data:,")) for link in links if link)
    assert re.findall(r"url\((?!#)", html) == []


def test_references_between_elements_lead_somewhere() -> None:
    reader = _read(_page())
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.elements:
        for key in ("aria-labelledby", "aria-describedby"):
            assert key not in attributes or attributes[key] in ids
        href = attributes.get("href") or ""
        assert not href.startswith("#") or href[1:] in ids


def test_generated_text_is_called_so() -> None:
    said = "The sentences were generated by a grammar, not written by people."
    assert said in " ".join(render_report(small_results(generated=True)).split())
    assert said not in " ".join(_page().split())


def test_scores_and_signatures_are_there() -> None:
    html = _page()
    for shown in ("31.2", "29.8–32.8", "nrefs:1|\u200bof:bleu", "2,000", "4 March 2026", "400"):
        assert shown in html


def test_the_browsers_data_is_in_places_of_javascript() -> None:
    results = small_results()
    data = sentence_data(results, results.tests[0])
    assert data["systems"] == list(LADDER)
    first = data["sentences"][0]
    phrase_based, transformer = first["outputs"][1], first["outputs"][3]
    assert phrase_based["how"]["kind"] == "phrases"
    assert transformer["how"]["kind"] == "attention"
    words = transformer["text"].split()
    spans = transformer["how"]["target"]
    pairs = zip(spans[::2], spans[1::2], strict=True)
    assert [transformer["text"][begin:end] for begin, end in pairs] == words
    row = re.compile(rf"\d{{{len(transformer['how']['source'])}}}")
    assert all(row.fullmatch(weights) for weights in transformer["how"]["weights"])
    assert first["outputs"][0]["how"] is None


def test_the_typical_sentence_is_near_the_means() -> None:
    results = small_results()
    texts = ["x" * 50, "y" * 50, "z" * 50]
    sentences = [
        sentence(text, "r", {}).model_copy(update={"chrf": dict.fromkeys(LADDER, chrf)})
        for text, chrf in zip(texts, (10.0, 45.0, 95.0), strict=True)
    ]
    test = results.tests[0].model_copy(update={"sentences": sentences})
    assert typical_sentence(results, test) is sentences[1]
    assert typical_sentence(results, test.model_copy(update={"sentences": []})) is None


def test_a_bare_benchmark_has_a_report_too(tmp_path: Path) -> None:
    results = small_results(tests=[], systems=[], sizes=[])
    write_report(results, tmp_path / "report.html")
    assert "market-en-de" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_matplotlib(name: str) -> Any:
        return None if name == "matplotlib" else find_spec(name)

    monkeypatch.setattr(page_module, "find_spec", without_matplotlib)
    with pytest.raises(UserError, match=r"the report needs matplotlib") as caught:
        require_report()
    assert "bitext-nmt[bench]" in str(caught.value)
