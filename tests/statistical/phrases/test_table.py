"""The trained table against a plain reference, however the work is divided."""

from __future__ import annotations

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.statistical.phrases import training
from nmt.statistical.phrases.arrays import find_phrase, frozen
from nmt.statistical.phrases.counting import HashCollision, count_pairs
from nmt.statistical.phrases.extraction import AlignedText, extract
from nmt.statistical.phrases.settings import PhraseSettings
from nmt.statistical.phrases.table import PhraseTable
from tests.statistical.phrases.reference import (
    NUM_WORDS,
    VOCABULARY,
    Example,
    Model,
    Words,
    examples,
    occurrences,
    random_example,
)

SMOOTHINGS = ("none", "good-turing", "kneser-ney")
EXAMPLE = random_example(150, seed=5)
STORED = {occurrence.source for occurrence in occurrences(EXAMPLE, 7)}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PhraseTable:
    return train(EXAMPLE, tmp_path_factory.mktemp("table"))


def train(
    example: Example, scratch: Path, memory: int = 1 << 30, workers: int = 1, **kw: Any
) -> PhraseTable:
    return PhraseTable.train(
        example.bitext,
        example.alignments,
        VOCABULARY,
        VOCABULARY,
        PhraseSettings(**kw),
        scratch=scratch,
        memory=memory,
        workers=workers,
    )


def spelled(words: Words) -> tuple[str, ...]:
    return tuple(map(VOCABULARY.word, words))


@given(examples(), st.sampled_from(SMOOTHINGS), st.integers(1, 4))
@settings(max_examples=40)
def test_scores_are_those_of_the_reference(
    example: Example, smoothing: str, max_words: int
) -> None:
    model = Model(example, max_words, smoothing)
    with TemporaryDirectory() as scratch:
        table = train(
            example, Path(scratch), smoothing=smoothing, max_words=max_words, max_entries=10**6
        )
        assert len(table) == len(model.counts)
        assert table.num_sources == len(model.source_counts)
        for source in model.source_counts:
            entries = {entry.target: entry for entry in table.lookup(spelled(source))}
            assert len(entries) == model.num_targets[source]
            for target in [t for s, t in model.counts if s == source]:
                entry = entries[spelled(target)]
                links = model.links(source, target)
                inverse_lexical, direct_lexical = model.lexical(source, target, links)
                assert frozenset(entry.links) == links
                assert list(entry.links) == sorted(links)
                assert entry.count == model.counts[source, target]
                assert [math.exp(score) for score in entry.scores] == pytest.approx(
                    [
                        model.inverse(source, target),
                        inverse_lexical,
                        model.direct(source, target),
                        direct_lexical,
                    ],
                    rel=3e-6,
                )
                assert [math.exp(score) for score in entry.reordering] == pytest.approx(
                    model.orientations(source, target), rel=1e-6
                )


@given(examples())
@settings(max_examples=30)
def test_smoothed_probabilities_of_all_targets_sum_to_one(example: Example) -> None:
    """Kneser-Ney gives the pairs that were not seen what it takes from those that were."""
    model = Model(example, 3, "kneser-ney")
    for source in model.source_counts:
        total = sum(model.direct(source, target) for target in model.target_counts)
        assert total == pytest.approx(1)


def test_probabilities_without_smoothing_sum_to_one(tmp_path: Path) -> None:
    table = train(random_example(200), tmp_path, smoothing="none", max_entries=10**6)
    direct = np.exp(table.arrays.scores[:, 2].astype(np.float64))
    sums = np.add.reduceat(direct, table.arrays.entry_offsets[:-1])
    np.testing.assert_allclose(sums, 1, rtol=1e-5)
    reordering = np.exp(table.arrays.reordering.astype(np.float64)).reshape(-1, 2, 3)
    np.testing.assert_allclose(reordering.sum(axis=2), 1, rtol=1e-5)


@pytest.mark.parametrize(("memory", "workers"), [(1, 1), (100_000, 1), (1 << 30, 3), (20_000, 2)])
def test_neither_memory_nor_threads_change_the_table(
    tmp_path: Path, memory: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = random_example(400)
    kinds: dict[str, Any] = {"significance": "alpha-epsilon", "smoothing": "kneser-ney"}
    expected = train(example, tmp_path, **kinds)
    monkeypatch.setattr(training, "_SENTENCES_AT_ONCE", 7)
    table = train(example, tmp_path, memory=memory, workers=workers, **kinds)
    for name, array in table.arrays._asdict().items():
        np.testing.assert_array_equal(array, getattr(expected.arrays, name), err_msg=name)
    np.testing.assert_array_equal(table.counts, expected.counts)


def test_scratch_is_left_with_the_table_only(tmp_path: Path) -> None:
    train(random_example(50), tmp_path, memory=1, significance="alpha+epsilon")
    (left,) = tmp_path.iterdir()
    assert {path.name for path in left.iterdir()} >= {"scores.npy", "slots.npy"}
    assert not list(left.glob("occurrences*"))


def test_best_entries_come_first_and_the_rest_is_cut(tmp_path: Path) -> None:
    example = random_example(300)
    whole = train(example, tmp_path, max_entries=10**6)
    cut = train(example, tmp_path, max_entries=3)
    sizes = np.diff(cut.arrays.entry_offsets)
    np.testing.assert_array_equal(sizes, np.minimum(np.diff(whole.arrays.entry_offsets), 3))
    assert sizes.max() == 3
    for phrase in range(whole.num_sources):
        source = whole.source(phrase)
        entries = whole.lookup(source)
        order = [
            (-entry.scores[2], [VOCABULARY.id(word) for word in entry.target]) for entry in entries
        ]
        assert order == sorted(order)
        assert cut.lookup(source) == entries[:3]


def test_rare_pairs_are_dropped_and_the_others_keep_their_scores(tmp_path: Path) -> None:
    example = random_example(300)
    whole = train(example, tmp_path, max_entries=10**6)
    table = train(example, tmp_path, max_entries=10**6, min_count=3)
    assert 0 < len(table) < len(whole)
    for phrase in range(whole.num_sources):
        source = whole.source(phrase)
        assert table.lookup(source) == [e for e in whole.lookup(source) if e.count >= 3]


@given(st.lists(st.integers(3, 3 + NUM_WORDS - 1), min_size=1, max_size=8))
def test_lookup_finds_stored_phrases_only(table: PhraseTable, words: list[int]) -> None:
    ids = frozen(np.array([9, *words, 9], np.int32))
    found = find_phrase(table.arrays, ids, 1, len(words) + 1)
    assert (found >= 0) == (tuple(words) in STORED)
    if found >= 0:
        assert table.source(found) == spelled(tuple(words))
    assert bool(table.lookup(spelled(tuple(words)))) == (found >= 0)


def test_every_stored_phrase_is_found(table: PhraseTable) -> None:
    for phrase in range(table.num_sources):
        ids = [VOCABULARY.id(word) for word in table.source(phrase)]
        assert find_phrase(table.arrays, frozen(np.array(ids, np.int32)), 0, len(ids)) == phrase
    assert table.lookup(["not", "there"]) == []
    assert table.lookup([]) == []


def test_a_collision_of_hashes_is_noticed() -> None:
    example = random_example(30)
    text = AlignedText.of(example.bitext, example.alignments)
    records = np.concatenate(list(extract(text, 0, 30, max_words=3)))
    for side in ("source_key", "target_key"):
        collided = records.copy()
        collided[side] = 1
        with pytest.raises(HashCollision):
            count_pairs(text, collided)


def test_a_collision_of_hashes_is_answered_with_another_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = random_example(100)
    expected = train(example, tmp_path)
    calls = []

    def collides_once(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise HashCollision
        return count_pairs(*arguments)

    monkeypatch.setattr(training, "count_pairs", collides_once)
    table = train(example, tmp_path)
    assert len(calls) == 2
    assert len(table) == len(expected)
    for phrase in range(expected.num_sources):
        source = expected.source(phrase)
        assert table.lookup(source) == expected.lookup(source)


def test_saved_table_opens_the_same(tmp_path: Path) -> None:
    table = train(random_example(100), tmp_path)
    folder = tmp_path / "table"
    folder.mkdir()
    table.save(folder)
    opened = PhraseTable.open(folder)
    for name, array in table.arrays._asdict().items():
        np.testing.assert_array_equal(array, getattr(opened.arrays, name))
        assert not getattr(opened.arrays, name).flags.writeable
    np.testing.assert_array_equal(table.counts, opened.counts)
    assert opened.source_vocabulary == opened.target_vocabulary == VOCABULARY


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "phrases.json").unlink(), "no phrase table"),
        (lambda folder: (folder / "phrases.json").write_text("[]"), "no phrase table"),
        (lambda folder: (folder / "scores.npy").unlink(), "incomplete"),
        (lambda folder: (folder / "scores.npy").write_bytes(b""), "incomplete"),
        (lambda folder: (folder / "source.words").unlink(), "incomplete"),
        (
            lambda folder: np.save(folder / "entry_offsets.npy", np.zeros(1, np.int64)),
            "cut short",
        ),
        (
            lambda folder: (folder / "phrases.json").write_text(json.dumps({"format": 99})),
            "format 99",
        ),
    ],
)
def test_a_damaged_table_is_refused(
    table: PhraseTable, tmp_path: Path, damage: Any, message: str
) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    table.save(folder)
    damage(folder)
    with pytest.raises(UserError, match=message):
        PhraseTable.open(folder)


def test_a_text_without_phrase_pairs(tmp_path: Path) -> None:
    table = train(Example([((3, 4), (5,), frozenset()), ((), (), frozenset())]), tmp_path)
    assert len(table) == table.num_sources == 0
    assert table.lookup(["a"]) == []
    table.save(tmp_path)
    assert len(PhraseTable.open(tmp_path)) == 0
