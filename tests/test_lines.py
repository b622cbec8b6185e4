"""One rule for lines: only LF ends one, and nothing in a line is lost."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.lines import iterate_lines, read_lines

# Any text in a line: no LF; a final CR or a leading BOM is dropped by the rules, so not here.
any_line = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).map(
    lambda text: text.rstrip("\r").lstrip("\ufeff")
)


def lines_of(content: bytes) -> list[str]:
    return list(iterate_lines(io.BytesIO(content), "text"))


@given(st.lists(any_line), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_any_lines_come_back_unchanged(lines: list[str], end: str, mark: str) -> None:
    content = "".join(line + end for line in lines)
    expected = lines if lines or not mark else [""]
    assert lines_of((mark + content).encode()) == expected


@given(st.lists(any_line), any_line.filter(bool))
def test_a_last_line_without_line_feed_counts(lines: list[str], last: str) -> None:
    content = "".join(line + "\n" for line in [*lines, last])
    assert lines_of(content.removesuffix("\n").encode()) == [*lines, last]


@pytest.mark.parametrize(
    "separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\r", "\x1c", "\0"]
)
def test_other_separators_stay_in_the_line(separator: str) -> None:
    assert lines_of(f"a{separator}b\nc\n".encode()) == [f"a{separator}b", "c"]


def test_only_the_first_line_loses_a_byte_order_mark() -> None:
    assert lines_of("\ufeffa\n\ufeffb\n".encode()) == ["a", "\ufeffb"]


@given(st.lists(any_line, max_size=5))
def test_invalid_utf8_is_reported_with_its_line(before: list[str]) -> None:
    content = "".join(line + "\n" for line in before).encode() + b"caf\xe9 ol\xe9\n"
    with pytest.raises(UserError) as caught:
        lines_of(content)
    assert caught.value.where == f"text:{len(before) + 1}"
    assert "0xe9 at byte 4" in caught.value.what


def test_utf16_is_named() -> None:
    with pytest.raises(UserError, match="UTF-16"):
        lines_of("Haus\n".encode("utf-16"))


def test_lines_come_while_the_stream_is_still_open() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sink:
        lines = iterate_lines(stream, "pipe")
        received: list[str] = []
        sink.write(b"first\n")
        reader = threading.Thread(target=lambda: received.append(next(lines)))
        reader.start()
        reader.join(timeout=10)
        assert received == ["first"]


def test_a_missing_file_names_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "test2016.de").write_text("x\n")
    with pytest.raises(UserError, match=r"(?s)no such file.*did you mean .*test2016\.de\?"):
        read_lines(tmp_path / "tets2016.de")
    with pytest.raises(UserError, match="no folder"):
        read_lines(tmp_path / "nowhere" / "test2016.de")
    with pytest.raises(UserError, match="folder, not a file"):
        read_lines(tmp_path)


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert read_lines(tmp_path / "empty") == []
