"""HTML, with lexbor (by selectolax), which reads pages as browsers do, as an oracle."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from nmt.documents.html_document import HtmlDocument
from nmt.documents.html_scan import tokens
from nmt.errors import UserError
from tests.documents.systems import Backwards, Saying, in_capitals, translated, unchanged

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>My page &amp; more</title>
<meta name="description" content="What it is"><meta name="robots" content="none">
<script>if (a < b) { "<p>keep</p>" }</script><style>p > a { color: red }</style></head>
<body><!-- <p>keep</p> -->
<p class=x>Hello <a href="x" title="A tip">big&nbsp;world</a>,<br>how
   are you?</p>
<img src=x alt="A picture"> <p translate="no">Keep <b>this</b></p>
<div>Some <code>x &lt; y</code> text<p>Unclosed <b>bold<i>er</b> x</i>
<ul><li>One<li>Two &copy; 3 < 4</ul>
<pre>line one
  line two</pre>
<input type="submit" value="Send" placeholder='it' name="keep"><textarea>a <b> c</textarea></div>
"""


def page(text: str) -> HtmlDocument:
    return HtmlDocument(text.encode("utf-8"), "x.html")


def test_texts_and_attributes_are_translated_and_nothing_else() -> None:
    expected = PAGE
    for old, new in [
        ("My page &amp; more", "MY PAGE &amp; MORE"),
        ("What it is", "WHAT IT IS"),
        ("Hello <a", "HELLO <a"),
        ("A tip", "A TIP"),
        ("big&nbsp;world</a>,<br>how\n   are you?", "BIG&nbsp;WORLD</a>,<br>HOW ARE YOU?"),
        ("A picture", "A PICTURE"),
        ("Some <code>x &lt; y</code> text", "SOME <code>x &lt; y</code> TEXT"),
        ("Unclosed <b>bold<i>er</b> x</i>", "UNCLOSED <b>BOLD<i>ER</b> X</i>"),
        ("<li>One<li>Two &copy; 3 < 4", "<li>ONE<li>TWO &copy; 3 &lt; 4"),
        ("line one\n  line two", "LINE ONE\n  LINE TWO"),
        ('"Send"', '"SEND"'),
        ("'it'", "'IT'"),
        ("a <b> c", "A &lt;B> C"),
    ]:
        assert old in expected
        expected = expected.replace(old, new)
    assert in_capitals(page(PAGE)) == expected


def test_what_the_system_leaves_comes_back_byte_for_byte() -> None:
    for text in (PAGE, "<p>一句话。第二句。</p>", "<p>One.&nbsp; Two.</p>"):
        assert unchanged(page(text)) == text.encode("utf-8")


def tags_of(tree: LexborHTMLParser) -> list[str]:
    assert tree.root is not None
    return sorted(str(node.tag) for node in tree.root.traverse())


def test_a_browser_sees_the_same_tags() -> None:
    for system in (Saying("<script>&lt; \"'"), Backwards(4000)):
        done = translated(page(PAGE), system).data.decode("utf-8")
        before, after = (LexborHTMLParser(text) for text in (PAGE, done))
        found = [
            sorted(str(n.tag) for n in one.root.traverse()) for one in (before, after) if one.root
        ]
        assert found[0] == found[1]


PIECES = st.sampled_from([
    "<p>", "</p>", "<b>", "</b>", "<br>", "<a href='x>y' title=\"t\">", "</a>", "<!-- x > -->",
    "<!-->", "<!doctype html>", "<?php x?>", "</ x>", "<3", "a < b", "&amp;", "&nbsp;", "Text",
    "<script>", "</script>", "<title>", "</title>", "<x", "<i a=1/>", "\n", " ", '<b a="', '">',
    "<code>", "</code>", "<div translate=no>", "</div>", "<textarea>", "<pre>", "</pre>", "<",
])  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_comes_back(text: str) -> None:
    found = list(tokens(text))
    assert "".join(text[one.begin : one.end] for one in found) == text
    assert unchanged(page(text)) == text.encode("utf-8")


@given(st.lists(PIECES, max_size=14).map("".join))
def test_tags_are_those_that_a_browser_sees(text: str) -> None:
    done = in_capitals(page(text))
    before, after = (
        sorted((one.name, str(one.role)) for one in tokens(some) if one.role)
        for some in (text, done)
    )
    assert before == after


@pytest.mark.parametrize("tag", ["<p>", "<b>", "<br>", "<img alt='x>y'>", "<i/>", "<P CLASS=a>"])
@pytest.mark.parametrize("text", ["a < b", "x &amp; y", "5<6", "</ no>"])
def test_text_is_what_a_browser_sees(tag: str, text: str) -> None:
    page_ = f"<body>{tag}one{text}two"
    body = LexborHTMLParser(page_).body
    assert body is not None
    seen = "".join(html.unescape(page_[t.begin : t.end]) for t in tokens(page_) if t.is_text)
    assert body.text(deep=True, separator="") == seen


@pytest.mark.parametrize(
    "begin", ['<?xml version="1.0"?>\n<html>', '<!DOCTYPE html>\n<html xmlns="http://x">']
)
def test_in_xhtml_empty_elements_hide_nothing(begin: str) -> None:
    text = (
        f'{begin}<head><title/><script src="a.js"/></head><body><p>one <a id="b"/>two</p>'
        '<iframe src="c"/><textarea/><p translate="no"/>three<object title="four"/><pre/>\n'
        "five\nsix</body></html>"
    )
    assert unchanged(page(text)) == text.encode("utf-8")
    expected = text
    for word in ("one", "two", "three", "four", "five", "six"):
        expected = expected.replace(word, word.upper())
    assert in_capitals(page(text)).split() == expected.split()


def test_attributes_within_a_tag_that_moves() -> None:
    text = '<p>see <a title="tip one" href=x>here</a> now</p>'
    done = translated(page(text), Backwards(4000)).data.decode("utf-8")
    assert done == '<p>now <a title="one tip" href=x>here</a> see</p>'


def test_quotation_marks_in_attributes() -> None:
    for quote, written in [('"', '"a &quot;b\' &lt;"'), ("'", "'a \"b&#39; &lt;'")]:
        text = f"<img alt={quote}x{quote}>"
        assert translated(page(text), Saying("a \"b' <")).data.decode() == f"<img alt={written}>"
    assert translated(page("<img alt=x>"), Saying("a b")).data == b'<img alt="a b">'


def test_encodings() -> None:
    text = '<meta charset="iso-8859-1"><p>Größe</p>'
    data = text.encode("latin-1")
    assert unchanged(HtmlDocument(data, "x")) == data
    done = translated(HtmlDocument(data, "x"), Saying("Ж ß")).data
    assert done == '<meta charset="iso-8859-1"><p>&#1046; ß</p>'.encode("latin-1")
    data = f"<?xml version='1.0' encoding='iso-8859-1'?>{text[29:]}".encode("latin-1")
    assert unchanged(HtmlDocument(data, "x")) == data
    with pytest.raises(UserError, match="not valid utf-8") as caught:
        HtmlDocument(b"<p>\n\xff</p>", "x.html")
    assert caught.value.where == "x.html:2"
    with pytest.raises(UserError, match="an encoding that is not known: 'klingon'"):
        HtmlDocument(b"<meta charset=klingon>", "x.html")
