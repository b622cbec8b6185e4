"""Subtitles: times stay, lines are broken alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.documents.lines import break_lines
from nmt.documents.srt import SrtDocument
from nmt.errors import UserError
from tests.documents.systems import Saying, in_capitals, translated, unchanged

SUBTITLES = """1
00:00:01,000 --> 00:00:02,000
<i>Hello my friend,
how are you?</i>

2
00:00:03,000 --> 00:00:04,000  X1:1
- I am well.
- {\\an8}So am I,
really.

00:00:05.000 --> 00:00:06.000

4
00:00:07,000 --> 00:00:08,000
One paragraph

after another
42"""


def read(text: str) -> SrtDocument:
    return SrtDocument(text.encode("utf-8"), "x.srt")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_words_change(line_end: str, mark: str) -> None:
    text = mark + SUBTITLES.replace("\n", line_end)
    capitals = re.sub(
        r"(?m)^(?!\d+:|\ufeff?\d+\s*$).*$", lambda line: line[0].upper(), SUBTITLES
    ).replace("<I>", "<i>").replace("</I>", "</i>").replace("\\AN8", "\\an8")  # fmt: skip
    assert in_capitals(read(text)) == mark + capitals.replace("\n", line_end)
    assert unchanged(read(text)) == text.encode("utf-8")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_encodings(encoding: str) -> None:
    data = SUBTITLES.encode(encoding)
    assert unchanged(SrtDocument(data, "x")) == data


def test_a_translation_of_another_length_is_broken_alike() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\na short one\nand a longer line here\n"
    said = "eine kurze und dann eine deutlich längere Zeile"
    lines = translated(read(text), Saying(said)).data.decode().split("\n")[2:4]
    assert " ".join(lines) == said
    assert 0.3 < len(lines[0]) / len(lines[1]) < 0.8
    short = translated(read(text), Saying("kurz")).data.decode().split("\n")[2:]
    assert short == ["kurz", ""]


def test_what_has_no_times_is_refused() -> None:
    with pytest.raises(UserError, match="no subtitles here"):
        read("just text")
    assert unchanged(read("")) == b""


def test_a_change_of_encoding_is_refused_with_the_line() -> None:
    data = SUBTITLES.encode() + b"\n\xe4\n"
    with pytest.raises(UserError, match="not valid utf-8") as caught:
        SrtDocument(data, "x.srt")
    assert caught.value.where == f"x.srt:{SUBTITLES.count(chr(10)) + 2}"


LINE = st.text(st.sampled_from("ab "), min_size=1).map(lambda text: " ".join(text.split()) or "x")


@given(st.lists(LINE, min_size=1, max_size=5))
def test_lines_of_the_same_text_are_broken_where_they_were(lines: list[str]) -> None:
    broken = break_lines(
        (" ".join(lines),), [len(line) for line in lines], ["\n"] * (len(lines) - 1)
    )
    text = "".join(part if isinstance(part, str) else part.raw for part in broken)
    assert text == "\n".join(lines)


@given(LINE, st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_no_word_is_lost_and_lines_are_never_more(text: str, lengths: list[int]) -> None:
    broken = break_lines((text,), lengths, ["\n"] * (len(lengths) - 1))
    found = "".join(part if isinstance(part, str) else part.raw for part in broken)
    assert found.split() == text.split()
    assert found.count("\n") == min(len(lengths) - 1, text.count(" "), found.count("\n"))
