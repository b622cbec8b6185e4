"""From settings to a prepared corpus: what is kept, what is told, and what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.corpus.fingerprint import FileHashes
from nmt.corpus.prepare import PreparedCorpus, prepare_corpus
from nmt.corpus.report import CleaningReport
from nmt.corpus.settings import CorpusSettings
from nmt.errors import UserError, UserErrors


class Workplace:
    """A folder with corpus files and a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.messages: list[str] = []

    def write(self, name: str, *pairs: tuple[str, str]) -> dict[str, str]:
        """Write two files; return the settings of a source that reads them."""
        for side, suffix in enumerate(("en", "de")):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (self.folder / f"{name}.{suffix}").write_text(text, encoding="utf-8", newline="\n")
        return {"kind": "files", "source": f"{name}.en", "target": f"{name}.de"}

    def prepare(self, **settings: Any) -> PreparedCorpus:
        values = {"source_language": "en", "target_language": "de", **settings}
        return prepare_corpus(
            CorpusSettings.model_validate(values),
            cache=self.cache,
            base=self.folder,
            report=self.messages.append,
        )

    def folders(self, stage: str = "corpus") -> list[Path]:
        return sorted(self.cache.glob(f"{stage}-*"))


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def rows(corpus: PreparedCorpus) -> list[tuple[str, str, int]]:
    train = corpus.train
    return list(zip(train.source, train.target, train.origins.tolist(), strict=True))


def test_words_that_were_cut_are_joined_in_every_set(work: Workplace) -> None:
    cut = ("I can 't , John 's .", "Das ist so , sagt er .")
    whole = ("I can't, John's.", "Das ist so, sagt er.")
    sources = [work.write(name, cut) for name in ("train", "valid", "test")]
    raw = work.prepare(train=sources[:1], valid=sources[1], test={"t": sources[2]})
    assert rows(raw) == [(*cut, 0)]
    joined = [source | {"tokenized": "apart"} for source in sources]
    corpus = work.prepare(train=joined[:1], valid=joined[1], test={"t": joined[2]})
    assert rows(corpus) == [(*whole, 0)]
    for pairs in (corpus.valid, corpus.test["t"]):
        assert (pairs.source[0], pairs.target[0]) == whole
    assert work.folders()[0] != work.folders()[1]


def test_several_sources_are_mixed_cleaned_and_counted(work: Workplace) -> None:
    first = work.write("first", ("one", "eins"), ("same", "same"), ("two", "zwei"), ("", "leer"))
    second = work.write("second", ("two", "zwei"), ("three", "drei"), ("two", "deux"))
    valid = work.write("valid", ("", "leer"), ("same", "same"), (" odd\0\u2028 ", "\tx\x85"))
    corpus = work.prepare(train=[first, {**second, "weight": 2.5}], valid=valid)
    assert rows(corpus) == [
        ("one", "eins", 0),
        ("two", "zwei", 0),
        ("three", "drei", 1),
        ("two", "deux", 1),
    ]
    assert corpus.train.weights == (1.0, 2.5)
    assert list(corpus.valid.source) == ["", "same", " odd\0\u2028 "]
    assert list(corpus.valid.target) == ["leer", "same", "\tx\x85"]
    a, b = corpus.report.sources
    assert a.dropped == {"empty side": 1, "identical sides": 1}
    assert b.dropped == {"duplicate": 1}
    assert (corpus.report.read, corpus.report.kept) == (7, 4)
    assert "4 of 7" in work.messages[-1]
    assert "duplicate 1" in work.messages[-1]
    assert CleaningReport.from_json(json.loads(json.dumps(corpus.report.as_json()))) == (
        corpus.report
    )


@pytest.mark.parametrize("drop", [False, True])
def test_held_out_sentences_in_training(work: Workplace, drop: bool) -> None:
    train = work.write(
        "train",
        ("in the test", "anders"),
        ("different", "im Test"),
        # The same sentence in another normal form, and on the other side: only the first counts.
        ("caf\u0065\u0301 ", "Kaffee"),
        ("im Test", "in the test"),
        ("fine", "gut"),
        ("fine too", "gültig"),
    )
    corpus = work.prepare(
        train=[train],
        valid=work.write("valid", ("valid", "gültig")),
        test={"news-2016": work.write("test", ("in the test", "im Test"), ("caf\u00e9", "Café"))},
        test_overlap="drop" if drop else "warn",
    )
    assert corpus.report.overlap == {"validation": 1, "news-2016": 3}
    assert [source for source, *_ in rows(corpus)] == (
        ["im Test", "fine"]
        if drop
        else ["in the test", "different", "café", "im Test", "fine", "fine too"]
    )
    assert "3 training pairs have a sentence of the news-2016 set" in work.messages[-1]
    assert list(corpus.test["news-2016"].source) == ["in the test", "caf\u00e9"]


def test_so_many_pairs_only(work: Workplace) -> None:
    """In their order; drawn, so that a sorted corpus does not give its beginning."""
    train = work.write("train", *[(f"word {n // 2}", f"Wort {n // 2}") for n in range(400)])
    drawn = {}
    for size in (200, 100, 10):
        corpus = work.prepare(train=[train], valid=work.write("valid", ("a", "b")), max_pairs=size)
        drawn[size] = [int(source.split()[1]) for source, *_ in rows(corpus)]
        assert drawn[size] == sorted(set(drawn[size]))
        assert len(drawn[size]) == size
        expected = {"duplicate": 200, "beyond max_pairs": 200 - size}
        assert corpus.report.dropped == {name: n for name, n in expected.items() if n}
    # Even over the corpus (99.5 on the average, 58 the deviation), and nested.
    assert abs(sum(drawn[100]) / 100 - 99.5) < 3 * 58 / 10
    assert set(drawn[10]) < set(drawn[100]) < set(drawn[200])


def test_a_second_call_builds_nothing_and_a_change_builds_anew(work: Workplace) -> None:
    settings: dict[str, Any] = {
        "train": [work.write("train", ("a", "b"))],
        "valid": work.write("valid", ("c", "d")),
    }
    first = work.prepare(**settings)
    [folder] = work.folders()
    second = work.prepare(**settings)
    assert work.folders() == [folder]
    assert second.train.content_hash == first.train.content_hash
    assert second.report == first.report
    work.prepare(**{**settings, "train": [{**settings["train"][0], "weight": 3}]})
    assert len(work.folders()) == 1
    work.prepare(**settings, cleaning={"max_words": 7})
    assert len(work.folders()) == 2
    work.write("train", ("a", "x"))
    assert rows(work.prepare(**settings)) == [("a", "x", 0)]


def test_all_missing_files_are_told_at_once(work: Workplace) -> None:
    train = work.write("train", ("a", "b"))
    with pytest.raises(UserErrors) as caught:
        work.prepare(
            train=[{**train, "source": "trian.en"}, {"kind": "tsv", "path": "x.tsv"}],
            valid={**train, "source": "valid.en", "target": "valid.de"},
        )
    assert len(caught.value.errors) == 4
    assert "train.en" in str(caught.value)
    assert not work.cache.exists()


def broken(work: Workplace, name: str, en: bytes, de: bytes = b"a\nb\n") -> dict[str, str]:
    (work.folder / f"{name}.en").write_bytes(en)
    (work.folder / f"{name}.de").write_bytes(de)
    return {"kind": "files", "source": f"{name}.en", "target": f"{name}.de"}


@pytest.mark.parametrize("broken_set", ["train", "valid"])
@pytest.mark.parametrize(
    ("en", "messages"),
    [
        (b"a\nb\nc\n", ["3 in", "2 in", "broken.en", "broken.de"]),
        (b"a\n", ["1 in", "2 in"]),
        (b"a\n\xff\n", ["broken.en:2", "UTF-8"]),
        (b"", ["0 in", "2 in"]),
    ],
)
def test_broken_input_is_told_and_leaves_nothing(
    work: Workplace, en: bytes, messages: list[str], broken_set: str
) -> None:
    good, bad = work.write("good", ("x", "y")), broken(work, "broken", en)
    train, valid = (bad, good) if broken_set == "train" else (good, bad)
    with pytest.raises(UserError) as caught:
        work.prepare(train=[train], valid=valid)
    for message in messages:
        assert message in str(caught.value)
    assert [path.name for path in work.cache.iterdir() if "corpus" in path.name] == []


@pytest.mark.parametrize("broken_set", ["train", "valid"])
def test_an_empty_corpus(work: Workplace, broken_set: str) -> None:
    good, empty = work.write("good", ("x", "y")), work.write("empty")
    train, valid = (empty, good) if broken_set == "train" else (good, empty)
    with pytest.raises(UserError, match=r"empty\.en.*not a single pair"):
        work.prepare(train=[train], valid=valid)


def test_nothing_left_after_cleaning(work: Workplace) -> None:
    train = work.write("train", ("привет", "hallo"), ("пока", "tschüss"), ("", ""))
    with pytest.raises(UserError) as caught:
        work.prepare(train=[train], valid=work.write("valid", ("a", "b")))
    assert "nothing is left of 3 training pairs" in str(caught.value)
    assert "empty side 1, wrong script 2" in str(caught.value)
    assert work.folders() == []


def test_tsv_columns(work: Workplace) -> None:
    lines = ["1\tein Hund\ta dog", "2\tzwei\ttwo\tmore", "3\tdrei\tthree"]
    (work.folder / "x.tsv").write_text("\n".join(lines), encoding="utf-8")
    source = {"kind": "tsv", "path": "x.tsv", "source_column": 3, "target_column": 2}
    valid = work.write("valid", ("a", "b"))
    corpus = work.prepare(train=[source], valid=valid)
    assert rows(corpus) == [("a dog", "ein Hund", 0), ("two", "zwei", 0), ("three", "drei", 0)]
    with pytest.raises(UserError, match=r"x\.tsv:1: 3 tab-separated columns, but column 4"):
        work.prepare(train=[{**source, "source_column": 4}], valid=valid)


def test_crlf_and_byte_order_mark(work: Workplace) -> None:
    train = broken(work, "train", b"\xef\xbb\xbfa\r\nb\r\n", b"x\r\ny")
    corpus = work.prepare(train=[train], valid=train)
    assert rows(corpus) == [("a", "x", 0), ("b", "y", 0)]
    assert list(corpus.valid.source) == ["a", "b"]


def test_more_pairs_than_a_batch(work: Workplace) -> None:
    numbers = np.random.default_rng(0).integers(0, 15_000, 20_000).tolist()
    train = work.write("train", *[(f"number {n}", f"Zahl {n}") for n in numbers])
    corpus = work.prepare(train=[train], valid=work.write("valid", ("a", "b")))
    distinct = list(dict.fromkeys(numbers))
    assert list(corpus.train.source) == [f"number {n}" for n in distinct]
    assert list(corpus.train.target) == [f"Zahl {n}" for n in distinct]


def test_remembered_hashes_notice_every_change(tmp_path: Path) -> None:
    import os
    import time

    path, store = tmp_path / "text", tmp_path / "hashes.json"
    path.write_text("one")
    first = FileHashes(store).of_file(path)
    # Too fresh to be remembered: a change within the clock's resolution would not show.
    assert not store.exists()
    minute_ago = time.time() - 60
    os.utime(path, (minute_ago, minute_ago))
    time.sleep(2.1)
    assert FileHashes(store).of_file(path) == first
    remembered = json.loads(store.read_text())
    remembered[str(path)][-1] = "taken from the store"
    store.write_text(json.dumps(remembered))
    assert FileHashes(store).of_file(path) == "taken from the store"
    path.write_text("two")
    os.utime(path, (minute_ago, minute_ago))
    assert FileHashes(store).of_file(path) not in (first, "taken from the store")
    store.write_text("{broken")
    assert len(FileHashes(store).of_file(path)) == 64
