"""Phrase extraction and scoring straight from the definitions, and small aligned texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from nmt.statistical.sentences import Alignments, Bitext, Sentences
from nmt.statistical.vocabulary import FIRST_WORD, Vocabulary

Words = tuple[int, ...]
Links = frozenset[tuple[int, int]]

NUM_WORDS = 6
VOCABULARY = Vocabulary("abcdef")


class Occurrence(NamedTuple):
    """A phrase pair in a sentence pair."""

    sentence: int
    source: Words
    target: Words
    links: Links
    before: str
    after: str


class Example(NamedTuple):
    """Sentence pairs with links."""

    pairs: list[tuple[Words, Words, Links]]

    @property
    def bitext(self) -> Bitext:
        """As the package takes it."""
        return Bitext(
            _sentences([p[0] for p in self.pairs]), _sentences([p[1] for p in self.pairs])
        )

    @property
    def alignments(self) -> Alignments:
        """As the package takes them."""
        links = [sorted(pair[2]) for pair in self.pairs]
        flat = np.array([link for some in links for link in some], np.uint16).reshape(-1, 2)
        offsets = np.cumsum([0, *map(len, links)], dtype=np.int64)
        return Alignments(flat[:, 0].copy(), flat[:, 1].copy(), offsets)


def _sentences(rows: Sequence[Words]) -> Sentences:
    flat = np.array([word for row in rows for word in row], np.int32)
    return Sentences.of_lengths(flat, np.array([len(row) for row in rows], np.int64))


def examples(max_pairs: int = 8, max_length: int = 9) -> st.SearchStrategy[Example]:
    """Few words, so that phrases come again; any links."""

    @st.composite
    def pair(draw: st.DrawFn) -> tuple[Words, Words, Links]:
        words = st.lists(st.integers(FIRST_WORD, FIRST_WORD + NUM_WORDS - 1), max_size=max_length)
        source, target = draw(words), draw(words)
        cells = list(product(range(len(source)), range(len(target))))
        links = draw(st.sets(st.sampled_from(cells), max_size=max_length)) if cells else set()
        return tuple(source), tuple(target), frozenset(links)

    return st.lists(pair(), max_size=max_pairs).map(Example)


def random_example(num_pairs: int, max_length: int = 12, seed: int = 0) -> Example:
    """Like ``examples``, with links near the diagonal, as many pairs as are wanted."""
    generator = np.random.default_rng(seed)
    pairs = []
    for _ in range(num_pairs):
        lengths = generator.integers(0, max_length + 1, 2)
        source, target = (
            tuple(generator.integers(FIRST_WORD, FIRST_WORD + NUM_WORDS, length).tolist())
            for length in lengths
        )
        near = [(s, t) for s, t in product(range(lengths[0]), range(lengths[1])) if abs(s - t) <= 2]
        chosen = generator.random(len(near)) < 0.25
        links = frozenset(link for link, taken in zip(near, chosen, strict=True) if taken)
        pairs.append((source, target, links))
    return Example(pairs)


def occurrences(example: Example, max_words: int, *, word_based: bool = False) -> list[Occurrence]:
    """Every pair of spans, asked whether it is consistent."""
    found = []
    for number, (source, target, links) in enumerate(example.pairs):
        spans = [
            (s1, s2, t1, t2)
            for s1, s2 in _spans(len(source), max_words)
            for t1, t2 in _spans(len(target), max_words)
            if any(s1 <= s < s2 and t1 <= t < t2 for s, t in links)
            and all((s1 <= s < s2) == (t1 <= t < t2) for s, t in links)
        ]
        framed = links | {(-1, -1), (len(source), len(target))}
        none: set[tuple[int, int]] = set()
        ends_ends = none if word_based else {(s2, t2) for _, s2, _, t2 in spans}
        starts_ends = none if word_based else {(s1, t2) for s1, _, _, t2 in spans}
        starts_starts = none if word_based else {(s1, t1) for s1, _, t1, _ in spans}
        ends_starts = none if word_based else {(s2, t1) for _, s2, t1, _ in spans}
        for s1, s2, t1, t2 in spans:
            found.append(
                Occurrence(
                    number,
                    source[s1:s2],
                    target[t1:t2],
                    frozenset((s - s1, t - t1) for s, t in links if s1 <= s < s2),
                    _orientation(
                        ((s1 - 1, t1 - 1) in framed, (s2, t1 - 1) in framed),
                        ((s1, t1) in ends_ends, (s2, t1) in starts_ends),
                    ),
                    _orientation(
                        ((s2, t2) in framed, (s1 - 1, t2) in framed),
                        ((s2, t2) in starts_starts, (s1, t2) in ends_starts),
                    ),
                )
            )
    return found


def _spans(length: int, max_words: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(length) for b in range(a + 1, min(a + max_words, length) + 1)]


def _orientation(linked: tuple[bool, bool], phrases: tuple[bool, bool]) -> str:
    if linked == (True, False) or phrases[0]:
        return "monotone"
    if linked == (False, True) or phrases[1]:
        return "swap"
    return "discontinuous"


class Model:
    """Probabilities in double precision from occurrences."""

    def __init__(self, example: Example, max_words: int, smoothing: str) -> None:
        self.occurrences = occurrences(example, max_words)
        self.counts = Counter((o.source, o.target) for o in self.occurrences)
        self.source_counts = Counter(o.source for o in self.occurrences)
        self.target_counts = Counter(o.target for o in self.occurrences)
        self.num_sources = Counter(target for _, target in self.counts)
        self.num_targets = Counter(source for source, _ in self.counts)
        self.smoothing = smoothing
        n = Counter(self.counts.values())
        self.discounts = {0: 0.0}
        if smoothing == "kneser-ney":
            y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.5
            for k in (1, 2, 3):
                value = k - (k + 1) * y * n[k + 1] / n[k] if n[k] else 0.5
                self.discounts[k] = min(max(value, 0), k - 0.1)
        if smoothing == "good-turing":
            ratio = 0.01
            for k in range(1, 10):
                new = min(1.0, (k + 1) * (n[k + 1] + 0.1) / (k * (n[k] + 0.1)))
                ratio = max(ratio, new)
                self.discounts[k] = k * (1 - ratio)
        self.words: Counter[tuple[int | None, int | None]] = Counter()
        for source, target, links in example.pairs:
            self.words.update((source[s], target[t]) for s, t in links)
            linked_s, linked_t = {s for s, _ in links}, {t for _, t in links}
            self.words.update((w, None) for n, w in enumerate(source) if n not in linked_s)
            self.words.update((None, w) for n, w in enumerate(target) if n not in linked_t)

    def discount(self, count: int) -> float:
        """What is taken off a count."""
        if self.smoothing == "kneser-ney":
            return self.discounts[min(count, 3)]
        return self.discounts.get(count, 0.0)

    def direct(self, source: Words, target: Words) -> float:
        """p(t|s)."""
        count, total = self.counts[source, target], self.source_counts[source]
        p = (count - self.discount(count)) / total
        if self.smoothing == "kneser-ney":
            taken = sum(self.discount(c) for (s, _), c in self.counts.items() if s == source)
            p += taken / total * self.num_sources[target] / len(self.counts)
        return p

    def inverse(self, source: Words, target: Words) -> float:
        """p(s|t)."""
        count, total = self.counts[source, target], self.target_counts[target]
        p = (count - self.discount(count)) / total
        if self.smoothing == "kneser-ney":
            taken = sum(self.discount(c) for (_, t), c in self.counts.items() if t == target)
            p += taken / total * self.num_targets[source] / len(self.counts)
        return p

    def lexical(self, source: Words, target: Words, links: Links) -> tuple[float, float]:
        """lex(s|t) and lex(t|s)."""
        source_totals: Counter[int | None] = Counter()
        target_totals: Counter[int | None] = Counter()
        for (s, t), count in self.words.items():
            source_totals[s] += count
            target_totals[t] += count
        inverse = math.prod(
            _average(
                [self.words[word, target[t]] / target_totals[target[t]] for s, t in links if s == n]
                or [self.words[word, None] / max(1, target_totals[None])]
            )
            for n, word in enumerate(source)
        )
        direct = math.prod(
            _average(
                [self.words[source[s], word] / source_totals[source[s]] for s, t in links if t == n]
                or [self.words[None, word] / max(1, source_totals[None])]
            )
            for n, word in enumerate(target)
        )
        return inverse, direct

    def links(self, source: Words, target: Words) -> Links:
        """The most frequent links of a pair, of equals the first seen."""
        return Counter(
            o.links for o in self.occurrences if (o.source, o.target) == (source, target)
        ).most_common(1)[0][0]

    def orientations(self, source: Words, target: Words) -> list[float]:
        """The six probabilities."""
        both = [
            (o.before, o.after)
            for o in self.occurrences
            if (o.source, o.target) == (source, target)
        ]
        return [
            (sum(pair[side] == kind for pair in both) + 0.5) / (len(both) + 1.5)
            for side in (0, 1)
            for kind in ("monotone", "swap", "discontinuous")
        ]


def _average(values: list[float]) -> float:
    return sum(values) / len(values)
