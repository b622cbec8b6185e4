"""How significant phrase pairs are (Johnson, Martin, Foster and Kuhn 2007).

Of N sentence pairs, C(s) have the source phrase, C(t) the target phrase, C(s,t) both, linked or
not. Fisher's exact test gives the probability that phrases which have nothing to do with each other
are together in as many:

    p = sum over k >= C(s,t) of  binom(C(s), k) binom(N - C(s), C(t) - k) / binom(N, C(t))

A pair with C(s) = C(t) = C(s,t) = 1 has p = 1/N. Thresholds lie just below that (which drops these
pairs, most of a table) or just above it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.statistical.phrases.arrays import frozen, same_words, seeded_hash
from nmt.statistical.phrases.counting import Counts
from nmt.statistical.phrases.extraction import AlignedText
from nmt.statistical.phrases.parallel import Workers

EPSILON: Final = 1e-3
"""Distance of the thresholds from ln N; no other table of counts comes as near."""
_ENTRIES_AT_ONCE: Final = 1 << 16


class _Side(NamedTuple):
    """The phrases of one language, Q in number, and where they are."""

    words: NDArray[np.int32]
    """Words of all sentences."""
    offsets: NDArray[np.int64]
    """Where each sentence begins."""
    keys: NDArray[np.uint64]
    """[Q] Hashes of the phrases, ascending."""
    first_of_bits: NDArray[np.int64]
    """The first key that has given first bits."""
    shift: np.uint64
    """What is to the right of those."""
    starts: NDArray[np.int64]
    """[Q] Where a phrase is in ``words``."""
    lengths: NDArray[np.uint8]
    """[Q] Its number of words."""
    longest: int
    """The greatest length."""
    seed: int
    """That of the hashes."""


class _Postings(NamedTuple):
    """The sentences that each phrase is in."""

    num_sentences: NDArray[np.int32]
    """[Q] Their number."""
    offsets: NDArray[np.int64]
    """[Q+1] Where the sentences of each phrase begin; those of phrases in one only are left out."""
    sentences: NDArray[np.int32]
    """Ascending for each phrase."""


@njit(inline="always")
def _find(side: Any, begin: int, end: int) -> int:
    key = seeded_hash(side.words, begin, end, side.seed)
    place = side.first_of_bits[key >> side.shift]
    while place < len(side.keys) and side.keys[place] <= key:
        if side.keys[place] == key:
            length = end - begin
            found = side.lengths[place] == length and same_words(
                side.words, side.starts[place], side.words, begin, length
            )
            return place if found else -1
        place += 1
    return -1


@njit(cache=True, nogil=True)
def _scan(side: Any, num_sentences: Any, ends: Any, sentences: Any) -> None:
    """Count the sentences of each phrase, or, with ``ends``, put them there.

    ``ends`` is where the next sentence of each phrase goes.
    """
    last = np.full(len(side.keys), -1, np.int32)
    for sentence in range(len(side.offsets) - 1):
        stop = side.offsets[sentence + 1]
        for begin in range(side.offsets[sentence], stop):
            for end in range(begin + 1, min(begin + side.longest, stop) + 1):
                phrase = _find(side, begin, end)
                if phrase < 0 or last[phrase] == sentence:
                    continue
                last[phrase] = sentence
                if len(ends) == 0:
                    num_sentences[phrase] += 1
                elif num_sentences[phrase] > 1:
                    sentences[ends[phrase]] = sentence
                    ends[phrase] += 1


def _postings(side: _Side, path: Path) -> _Postings:
    counts = np.zeros(len(side.keys), np.int32)
    _scan(side, counts, np.empty(0, np.int64), np.empty(0, np.int32))
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(np.where(counts > 1, counts, 0), out=offsets[1:])
    shape = (max(1, int(offsets[-1])),)
    sentences = np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=shape)
    _scan(side, counts, offsets[:-1].copy(), sentences.view(np.ndarray))
    return _Postings(frozen(counts), frozen(offsets), frozen(sentences.view(np.ndarray)))


@njit(inline="always")
def _num_common(a: Any, a_begin: int, a_end: int, b: Any, b_begin: int, b_end: int) -> int:
    """How many numbers two ascending lists share; quick where ``a`` is much shorter."""
    common = 0
    low = b_begin
    for n in range(a_begin, a_end):
        step = 1
        while low + step < b_end and b[low + step] < a[n]:
            step *= 2
        high = min(low + step, b_end)
        while low < high:
            middle = (low + high) >> 1
            if b[middle] < a[n]:
                low = middle + 1
            else:
                high = middle
        if low == b_end:
            break
        common += b[low] == a[n]
    return common


@njit(inline="always")
def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


@njit(cache=True, nogil=True)
def log_p_value(together: int, source: int, target: int, num_sentences: int) -> float:
    """ln p of C(s,t), C(s), C(t) and N, by Fisher's exact test."""
    log_first = (
        _log_binomial(source, together)
        + _log_binomial(num_sentences - source, target - together)
        - _log_binomial(num_sentences, target)
    )
    # The terms relative to the first; each follows from the one before.
    term, total = 1.0, 1.0
    for k in range(together, min(source, target)):
        rest = num_sentences - source - target + k + 1
        ratio = (source - k) * (target - k) / ((k + 1.0) * rest)
        term *= ratio
        total += term
        if ratio < 1 and term < 1e-17 * total:
            break
        if total > 1e200:
            term *= 1e-200
            total *= 1e-200
            log_first += 200 * math.log(10.0)
    return min(0.0, log_first + math.log(total))


@njit(cache=True, nogil=True)
def _log_p_values(
    source_numbers: Any, target_numbers: Any, source: Any, target: Any, num_sentences: int,
    log_p: Any,
) -> None:  # fmt: skip
    for n in range(len(source_numbers)):
        s, t = source_numbers[n], target_numbers[n]
        num_source = int(source.num_sentences[s])
        num_target = int(target.num_sentences[t])
        # They were extracted together.
        together = 1
        if num_source > 1 and num_target > 1:
            s1, s2 = source.offsets[s], source.offsets[s + 1]
            t1, t2 = target.offsets[t], target.offsets[t + 1]
            if num_source < num_target:
                together = _num_common(source.sentences, s1, s2, target.sentences, t1, t2)
            else:
                together = _num_common(target.sentences, t1, t2, source.sentences, s1, s2)
        log_p[n] = log_p_value(together, num_source, num_target, num_sentences)


def _side(
    words: NDArray[np.int32],
    offsets: NDArray[np.int64],
    keys: NDArray[np.uint64],
    entries: NDArray[np.void],
    examples: NDArray[np.int64],
    language: str,
    seed: int,
) -> _Side:
    """``examples`` are the numbers of entries with each of the phrases."""
    bits = max(1, len(keys).bit_length())
    shift = np.uint64(64 - bits)
    bounds = np.arange(1 << bits, dtype=np.uint64) << shift
    starts = offsets[entries["sentence"][examples]] + entries[f"{language}_start"][examples]
    lengths = entries[f"{language}_length"][examples]
    return _Side(
        words, offsets, frozen(keys), frozen(np.searchsorted(keys, bounds)), shift,
        frozen(starts), frozen(lengths), int(lengths.max(initial=0)), seed,
    )  # fmt: skip


def log_p_values(
    text: AlignedText, counts: Counts, workers: Workers, scratch: Path
) -> NDArray[np.float64]:
    """ln p of each entry, by Fisher's exact test.

    Takes about 40 bytes of memory for each phrase of either side and, in files under ``scratch``, 4
    for each phrase of each sentence (those of the table that are in two sentences or more).
    """
    entries, targets = counts.entries, counts.targets
    source_keys = np.ascontiguousarray(entries["source_key"])
    begins = np.flatnonzero(np.r_[True, source_keys[1:] != source_keys[:-1]][: len(entries)])
    source_numbers = np.zeros(len(entries), np.int32)
    source_numbers[begins[1:]] = 1
    np.cumsum(source_numbers, out=source_numbers)
    target_keys = np.ascontiguousarray(targets["key"])
    sides = (
        _side(
            text.source_words, text.source_offsets, source_keys[begins], entries, begins,
            "source", counts.seed,
        ),
        _side(
            text.target_words, text.target_offsets, target_keys, entries, targets["entry"],
            "target", counts.seed,
        ),
    )  # fmt: skip
    paths = (scratch / "source-postings.npy", scratch / "target-postings.npy")
    source, target = workers.in_order(lambda n: _postings(sides[n], paths[n]), (0, 1))
    num_sentences = len(text.source_offsets) - 1
    log_p = np.empty(len(entries))

    def fill(begin: int) -> None:
        part = slice(begin, begin + _ENTRIES_AT_ONCE)
        _log_p_values(
            frozen(source_numbers[part]), counts.target_numbers[part], source, target,
            num_sentences, log_p[part],
        )  # fmt: skip

    for _ in workers.in_order(fill, range(0, len(entries), _ENTRIES_AT_ONCE)):
        pass
    return log_p


def significant(kind: str, log_p: NDArray[np.float64], num_sentences: int) -> NDArray[np.bool_]:
    """Which of the pairs pass the threshold of a kind (see PhraseSettings)."""
    sign = 1 if kind == "alpha+epsilon" else -1
    kept: NDArray[np.bool_] = -log_p > math.log(num_sentences) + sign * EPSILON
    return kept
