"""Moses' text format, there and back, and broken files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from nmt.errors import UserError, UserErrors
from nmt.statistical.phrases.moses import read_moses, write_moses
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.table import PhraseTable
from nmt.statistical.vocabulary import Vocabulary
from tests.statistical.phrases.reference import random_example

ODD = Vocabulary(["|||", "&amp;", "a|b", "\u2028", "[X]", "\u00a0"])
"""Words that a careless reader or writer stumbles over."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PhraseTable:
    example = random_example(120)
    return PhraseTable.train(
        example.bitext,
        example.alignments,
        ODD,
        ODD,
        PhraseSettings(max_words=3),
        scratch=tmp_path_factory.mktemp("scratch"),
    )


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_round_trip(table: PhraseTable, tmp_path: Path, suffix: str) -> None:
    paths = tmp_path / f"phrases{suffix}", tmp_path / f"reordering{suffix}"
    write_moses(table, *paths)
    if suffix:
        assert gzip.decompress(paths[0].read_bytes()).count(b"\n") == len(table)
    read = read_moses(*paths, source_vocabulary=ODD, target_vocabulary=ODD)
    assert (len(read), read.num_sources) == (len(table), table.num_sources)
    for phrase in range(table.num_sources):
        source = table.source(phrase)
        for ours, theirs in zip(table.lookup(source), read.lookup(source), strict=True):
            assert (ours.target, ours.links, ours.count) == (
                theirs.target,
                theirs.links,
                theirs.count,
            )
            np.testing.assert_allclose(ours.scores, theirs.scores, rtol=2e-7, atol=2e-9)
            np.testing.assert_allclose(ours.reordering, theirs.reordering, rtol=2e-7, atol=2e-9)


def test_vocabularies_are_learned(table: PhraseTable, tmp_path: Path) -> None:
    paths = tmp_path / "phrases", tmp_path / "reordering"
    write_moses(table, *paths)
    read = read_moses(*paths)
    assert set(read.source_vocabulary.words) == set(ODD.words)
    targets = {entry.target for entry in table.lookup(["|||"])}
    assert {entry.target for entry in read.lookup(["|||"])} == targets != set()


def test_written_as_moses_does(table: PhraseTable, tmp_path: Path) -> None:
    write_moses(table, tmp_path / "phrases", tmp_path / "reordering")
    lines = (tmp_path / "phrases").read_bytes().decode().split("\n")[:-1]
    assert lines == sorted(lines, key=lambda line: line.split(" ||| ")[0] + " |||")
    assert all(line.count(" ||| ") == 4 for line in lines)
    assert not [line for line in lines if "a|b" in line or "[" in line]
    assert any(line.startswith("&#124;&#124;&#124; ||| ") for line in lines)


def test_a_table_of_moses(tmp_path: Path) -> None:
    """Lines as Moses 4 and Moses 2 (with the phrase penalty) write them."""
    path = tmp_path / "phrase-table"
    path.write_text(
        "das ist ||| that &apos;s ||| 0.5 0.25 0.4 0.2 ||| 0-0 1-1 ||| 10 8 4 ||| |||\n"
        "das ist ||| this is ||| 0.1 0 0.6 0.3 2.718 ||| 1-1 0-0\n"
    )
    read = read_moses(path)
    first, second = read.lookup(["das", "ist"])
    assert (first.target, first.links) == (("this", "is"), ((0, 0), (1, 1)))
    assert first.scores == pytest.approx([np.log(0.1), -100, np.log(0.6), np.log(0.3)])
    assert (second.target, second.count) == (("that", "'s"), 4)
    assert second.reordering == pytest.approx([np.log(1 / 3)] * 6)


GOOD = "a ||| b ||| 0.5 0.5 0.5 0.5 ||| 0-0 ||| 1 1 1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a b c", "fields are separated"),
        (" ||| b ||| 0.5 0.5 0.5 0.5 ||| 0-0", "not a phrase pair"),
        ("a ||| b", "not a phrase pair"),
        ("a ||| b ||| 0.5 0.5 0.5 ||| 0-0", "4 probabilities"),
        ("a ||| b ||| 0.5 0.5 0.5 x ||| 0-0", "4 probabilities"),
        ("a ||| b ||| 0.5 0.5 0.5 nan ||| 0-0", "4 probabilities"),
        ("a ||| b ||| 0.5 0.5 0.5 -1 ||| 0-0", "4 probabilities"),
        ("a ||| b ||| 0.5 0.5 0.5 0.5 ||| 0:0", "not a link"),
        ("a ||| b ||| 0.5 0.5 0.5 0.5 ||| 0-1", "outside the phrases"),
        ("a ||| b ||| 0.5 0.5 0.5 0.5 ||| 0-0 ||| 1 1 many", "not a count"),
        ("a ||| b ||| 0.5 0.5 0.5 0.5 ||| 0-0 ||| 1 1 inf", "not a count"),
        (GOOD, "was there before"),
    ],
)
def test_broken_lines(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "phrases"
    path.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(UserError, match=message) as caught:
        read_moses(path)
    assert f"{path}:2" in str(caught.value)


def test_several_problems_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "phrases"
    path.write_bytes(b"\xff\nwrong\n" + GOOD.encode() + b"\n")
    with pytest.raises(UserErrors) as caught:
        read_moses(path)
    assert [error.where for error in caught.value.errors] == [f"{path}:1", f"{path}:2"]


def test_endless_problems_are_not_told(tmp_path: Path) -> None:
    path = tmp_path / "phrases"
    path.write_text("wrong\n" * 1000)
    with pytest.raises(UserErrors) as caught:
        read_moses(path)
    assert len(caught.value.errors) == 10


def test_reordering_of_another_table(tmp_path: Path) -> None:
    path, reordering = tmp_path / "phrases", tmp_path / "reordering"
    path.write_text(f"{GOOD}\n")
    reordering.write_text("a ||| c ||| 0.2 0.2 0.6 0.2 0.2 0.6\n")
    with pytest.raises(UserError, match="does not have this phrase pair"):
        read_moses(path, reordering)
    reordering.write_text("a ||| b ||| 0.2 0.2 0.6\n")
    with pytest.raises(UserErrors, match="reordering:1: 6 probabilities"):
        read_moses(path, reordering)


def test_words_outside_the_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "phrases"
    path.write_text(f"{GOOD}\n")
    with pytest.raises(UserError, match=r"phrases:1: the word 'b' is not in the vocabulary"):
        read_moses(path, target_vocabulary=Vocabulary(["a"]))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_moses(tmp_path / "missing")
    for content in (GOOD.encode(), gzip.compress(GOOD.encode() * 100)[:-20]):
        (tmp_path / "phrases.gz").write_bytes(content)
        with pytest.raises(UserError, match="cannot read"):
            read_moses(tmp_path / "phrases.gz")
