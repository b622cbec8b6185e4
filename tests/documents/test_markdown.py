"""Markdown, with markdown-it's whole reading of a file as an oracle."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nmt.documents.markdown_document import MarkdownDocument
from tests.documents.systems import Saying, in_capitals, translated, unchanged

PAGE = """---
title: Keep
---
# Hello *big* world #

A paragraph with **bold text** and `code` and a
[link to x](http://a.b/c "t") that goes on
and <b>more</b>. 2 \\* 3 &amp; so, _it_ ~~goes~~.

- item one
- [ ] task two
  continued

> quoted text\\
> second line  
> third

> [!NOTE]
> Take note.

| a head | b |
|--------|---|
| x *y*  | `c \\| d` |

```python
keep = 1
```

    keep = 2

Underlined
==========

![Alt text](img.png) and[^1].

[^1]: foot note
[ref]: http://x.y

<div>
<p>keep</p>
</div>
"""  # noqa: W291 (spaces that end a line are a break in Markdown)


def read(text: str) -> MarkdownDocument:
    return MarkdownDocument(text.encode("utf-8"), "x.md")


def shape(text: str) -> list[tuple[str, str]]:
    """The tokens of a file, without what text says."""
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    found: list[tuple[str, str]] = []
    for token in markdown.parse(text):
        children = token.children or ()
        inline = sorted(
            (
                one.type,
                one.content
                if one.type == "code_inline"
                else str(one.attrs.get("href", one.attrs.get("src"))),
            )
            for one in children
            if one.type not in ("text", "softbreak", "text_special")
        )
        is_code = token.type in ("fence", "code_block", "html_block")
        found += [(token.type, token.content if is_code else ""), *inline]
    return found


def test_texts_are_translated_and_nothing_else() -> None:
    expected = PAGE
    for old in [
        "Hello *big* world", "A paragraph with **bold text** and", " and a\n[link to x]",
        " that goes on\nand <", ">more<", "item one", "task two\n  continued", "quoted text",
        "second line", "third", "Take note.", "a head", "| b |", "x *y*", "Underlined",
        "[Alt text]", "and[^1]", "foot note", " so, _it_ ~~goes~~",
    ]:  # fmt: skip
        assert old in expected
        expected = expected.replace(old, old.upper())
    # What need not be escaped is not; lines are broken at like places.
    result = in_capitals(read(PAGE))
    expected = expected.replace("2 \\* 3 &amp;", "2 * 3 &")
    assert result.split() == expected.split()
    assert result.count("\n") == expected.count("\n")
    assert shape(result) == shape(PAGE)


def test_what_the_system_leaves_comes_back_byte_for_byte() -> None:
    for text in (PAGE, PAGE.replace("\n", "\r\n"), PAGE.removesuffix("\n")):
        assert unchanged(read(text)) == text.encode("utf-8")


def test_line_ends_stay() -> None:
    result = in_capitals(read(PAGE.replace("\n", "\r\n")))
    assert result == in_capitals(read(PAGE)).replace("\n", "\r\n")


def test_text_that_looks_like_markup_is_escaped() -> None:
    text = "# Title\n\nSome text\nover lines\n\n| a |\n|---|\n| b |\n"
    for said in [
        "# kein Titel", "- kein Punkt", "1. kein Punkt", "ein *Stern* und _Strich_", "`kein Code`",
        "[kein](Link)", "<b>kein Tag</b>", "a | b", "Zeile --- \\ ~~~ > x", "&#38; kein &", "===",
        "```kein Block", "+ a - b * c # d", "![kein](Bild)",
    ]:  # fmt: skip
        result = translated(read(text), Saying(said)).data.decode("utf-8")
        assert shape(result) == shape(text), said
        assert result != text
        # And it is the text that a reader sees.
        tokens = MarkdownIt("commonmark").enable("table").parse(result)
        seen = [
            "".join(" " if one.type == "softbreak" else one.content for one in token.children or ())
            for token in tokens
            if token.type == "inline"
        ]
        assert seen == [said] * 4


def test_links_by_reference_still_find_what_they_refer_to() -> None:
    definitions = "\n\n[1]: http://dog\n[the cat]: http://cat\n[img]: a.png\n[^1]: note\n"
    for text in (
        "See [the dog][1] here.", "See [the\ncat] here.", "See [The cat][] here.",
        "See ![a picture][img] here.", "See ![img] here.", "[![img]][1] and *[the cat]*",
        "> See [the\n> cat] here.", "| [the cat] |\n|---|", "No [label] here[^1].",
    ):  # fmt: skip
        page = text + definitions
        assert unchanged(read(page)) == page.encode("utf-8")
        result = translated(read(page), Saying("eins zwei drei vier")).data.decode("utf-8")
        assert shape(result) == shape(page)
        assert result != page
    assert in_capitals(read(f"[the cat]{definitions}")) == f"[THE CAT][the cat]{definitions}"


def test_cells_with_escaped_bars_are_translated() -> None:
    text = "| one \\| two `a \\| b` | three |\n|---|---|\n| *x* | four \\| |\n"
    assert unchanged(read(text)) == text.encode("utf-8")
    expected = text.upper().replace("`A \\| B`", "`a \\| b`")
    assert in_capitals(read(text)) == expected
    assert shape(expected) == shape(text)


BLOCKS = st.sampled_from([
    "# head *x*", "text **bold** `code` more", "- item\n- other", "> quote\n> more", "```\nx\n```",
    "1. one\n   two\n2. three", "[a link](http://x.y) here", "a  \nb\\\nc", "    code", "---",
    "| a | b |\n|---|---|\n| c `x` | *d* |", "<div>\nhtml\n</div>", "![pic](a.png)", "a <b>t</b>",
    "*em **strong* x**", "snake_case and * star", "head\n----", "https://a.b/c_d_e", "a\\\\b \\# c",
    "- a\n\n  b\n  - c", "> - x\n>   y", "[ref]\n\n[ref]: http://x", "**a** *b*\n_c_ ~~d~~",
])  # fmt: skip


@settings(max_examples=50)
@given(st.lists(BLOCKS, max_size=5).map("\n\n".join))
def test_the_shape_stays_for_any_file(text: str) -> None:
    assert unchanged(read(text)) == text.encode("utf-8")
    result = in_capitals(read(text))
    # Breaks of lines may become fewer, where a paragraph has hard ones too.
    assert shape(result) == shape(text)


@given(st.text(st.sampled_from("ab *_`[]()<>#-+|\\~!&;\n\t:1."), max_size=60))
def test_any_text_comes_back(text: str) -> None:
    assert unchanged(read(text)) == text.encode("utf-8")
    translated(read(text), Saying("x"))
