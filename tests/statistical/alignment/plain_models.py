"""Alignment models in plain Python and float64, as their papers write them: oracles, slow."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from nmt.statistical.sentences import Bitext, Sentences

Pair = tuple[list[int], list[int]]
Table = dict[tuple[int, int], float]

NUM_WORDS = 8
"""Ids of the words of the random bitexts, on both sides."""


def sentences(lines: Sequence[Sequence[int]]) -> Sentences:
    """Lines of ids as the package takes them."""
    flat = np.array([word for line in lines for word in line], np.int32)
    return Sentences.of_lengths(flat, np.array([len(line) for line in lines], np.int64))


def bitext(pairs: Sequence[Pair]) -> Bitext:
    """Sentence pairs as the package takes them."""
    return Bitext(sentences([s for s, _ in pairs]), sentences([t for _, t in pairs]))


def some_pairs(max_words: int, *, min_words: int = 0) -> st.SearchStrategy[list[Pair]]:
    """Random bitexts, with repeated words and, unless ruled out, empty sides."""
    line = st.lists(st.integers(3, NUM_WORDS - 1), min_size=min_words, max_size=max_words)
    return st.lists(st.tuples(line, line), min_size=1, max_size=5)


@dataclass
class Expected:
    """Expected counts of a bitext, and its likelihood."""

    links: Table = field(default_factory=lambda: defaultdict(float))
    """By (given word, generated word)."""
    no_links: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    log_likelihood: float = 0.0


def expect_by_position(
    pairs: Sequence[Pair],
    probability: Callable[[int, int], float],
    null: Callable[[int], float],
    tension: float,
    p0: float | None,
) -> Expected:
    """The E-step of Dyer, Chahuneau and Smith (2013); ``p0`` None is Model 1's."""
    expected = Expected()
    for given, generated in pairs:
        for j, word in enumerate(generated, start=1):
            none = 1 / (len(given) + 1) if p0 is None else p0
            if not given:
                none = 1.0
            distances = [abs(i / len(given) - j / len(generated)) for i in range(1, len(given) + 1)]
            weights = [math.exp(-tension * distance) for distance in distances]
            joint = [
                (1 - none) * weight / sum(weights) * probability(one, word)
                for weight, one in zip(weights, given, strict=True)
            ]
            total = sum(joint) + none * null(word)
            expected.log_likelihood += math.log(total)
            expected.no_links[word] += none * null(word) / total
            for one, value in zip(given, joint, strict=True):
                expected.links[one, word] += value / total
    return expected


def expect_by_enumeration(
    pairs: Sequence[Pair],
    probability: Callable[[int, int], float],
    null: Callable[[int], float],
    jump: Callable[[int], float],
    p0: float,
) -> tuple[Expected, dict[int, float]]:
    """The E-step of the HMM over all alignments of each pair, and the expected number of jumps."""
    expected = Expected()
    jumps: dict[int, float] = defaultdict(float)
    for given, generated in pairs:
        none = p0 if given else 1.0
        found = []
        for links in itertools.product(range(len(given) + 1), repeat=len(generated)):
            likelihood, position, made = 1.0, 0, []
            for link, word in zip(links, generated, strict=True):
                if link == 0:
                    likelihood *= none * null(word)
                    continue
                norm = sum(jump(k - position) for k in range(1, len(given) + 1))
                likelihood *= (1 - none) * jump(link - position) / norm
                likelihood *= probability(given[link - 1], word)
                made.append(link - position)
                position = link
            found.append((likelihood, links, made))
        total = sum(likelihood for likelihood, _, _ in found)
        expected.log_likelihood += math.log(total)
        for likelihood, links, made in found:
            for link, word in zip(links, generated, strict=True):
                if link == 0:
                    expected.no_links[word] += likelihood / total
                else:
                    expected.links[given[link - 1], word] += likelihood / total
            for one in made:
                jumps[one] += likelihood / total
    return expected, jumps
