"""Memory-mapped text behaves as the list of its lines, and its hash is that of the text file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.corpus.readers import FilePairReader
from nmt.corpus.text import PairsWriter, TextLines, TextPairs, TextWriter, hash_lines

line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
blocks = st.lists(st.lists(line, max_size=6), max_size=4)


def write_lines(folder: Path, parts: list[list[str]]) -> TextLines:
    with TextWriter(folder, "source") as writer:
        for part in parts:
            writer.append(part)
    return TextLines.open(folder, "source")


@given(parts=blocks, data=st.data())
def test_text_lines_are_a_sequence(
    parts: list[list[str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = [line for part in parts for line in part]
    lines = write_lines(tmp_path_factory.mktemp("text"), parts)
    assert list(lines) == expected
    assert len(lines) == len(expected)
    cut = data.draw(st.slices(len(expected)))
    assert lines[cut] == expected[cut]
    text = "".join(f"{line}\n" for line in expected)
    assert lines.content_hash == hashlib.sha256(text.encode()).hexdigest()
    for index in range(-len(expected), len(expected)):
        assert lines[index] == expected[index]
    for outside in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            lines[outside]
    if expected:
        indices = data.draw(st.lists(st.integers(0, len(expected) - 1)))
        assert lines.take(np.array(indices, np.int64)) == [expected[i] for i in indices]


@given(pairs=st.lists(st.tuples(line, line, st.booleans())))
def test_rows_are_copied_without_decoding(
    pairs: list[tuple[str, str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    with PairsWriter(folder / "all") as writer:
        for number, (source, target, _) in enumerate(pairs):
            writer.append([source], [target], origin=number % 3)
    written = TextPairs.open(folder / "all")
    with PairsWriter(folder / "kept") as writer:
        writer.append_rows(written, np.array([keep for *_, keep in pairs], np.bool_))
    kept = TextPairs.open(folder / "kept")
    assert list(zip(kept.source, kept.target, kept.origins.tolist(), strict=True)) == [
        (source, target, number % 3) for number, (source, target, keep) in enumerate(pairs) if keep
    ]


def test_the_hash_of_a_real_file_is_the_published_one(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "multi30k"
    with PairsWriter(tmp_path) as writer:
        for batch in FilePairReader(folder / "train.en", folder / "train.de").batches():
            writer.append(*batch)
    pairs = TextPairs.open(tmp_path)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert len(pairs) == 29_000
    assert f"`{pairs.source.content_hash}`" in readme
    assert f"`{pairs.target.content_hash}`" in readme


@given(st.lists(line, unique=True, min_size=1))
def test_different_lines_have_different_hashes(lines: list[str]) -> None:
    assert len(np.unique(hash_lines(lines))) == len(lines)


def test_a_line_feed_within_a_line_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(AssertionError), TextWriter(tmp_path, "source") as writer:
        writer.append(["two\nlines"])
