"""BLEU over word ids (Papineni et al. 2002), from sums of sentences' statistics.

The statistics of a hypothesis are the nine integers that BLEU adds up over a corpus: the n-grams
of length 1 to 4 that it has in common with its references (each counted at most as often as the
reference that has it most often), its n-grams of length 1 to 4, and the length of the reference
closest to it in length. Corpus BLEU is that of sacreBLEU with its default smoothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.ngrams import FIRST_NODE, ROOT, edge_key, find_slot, table_size
from nmt.statistical.sentences import Sentences
from nmt.statistical.tuning.nbest import NBest

MAX_ORDER: Final = 4
"""Length of the longest n-grams; the matches stand at 0 to 3."""
TOTALS: Final = MAX_ORDER
"""Where the numbers of n-grams begin; the first is the length of the hypothesis."""
REFERENCE_LENGTH: Final = 2 * MAX_ORDER
"""Where the length of the closest reference stands."""
NUM_STATISTICS: Final = 2 * MAX_ORDER + 1


def bleu_statistics(nbest: NBest, references: Sequence[Sentences]) -> NDArray[np.int32]:
    """The statistics [H, 9] of each hypothesis against the references of its sentence.

    ``references`` has one `Sentences` of S sentences, or several, as in sacreBLEU. Words are the
    same if their ids are: two words outside of the vocabulary must not share an id.
    """
    assert references
    assert all(len(reference) == len(nbest) for reference in references)
    interleaved = [reference[s] for s in range(len(nbest)) for reference in references]
    lengths = np.array([len(words) for words in interleaved], np.int64)
    flat = Sentences.of_lengths(np.concatenate(interleaved).astype(np.int32), lengths)
    statistics = np.empty((len(nbest.features), NUM_STATISTICS), np.int32)
    _count(
        np.require(nbest.words, np.int32, ["C", "W"]),
        np.require(nbest.word_offsets, np.int64, ["C", "W"]),
        np.require(nbest.sentence_offsets, np.int64, ["C", "W"]),
        flat.words,
        flat.offsets,
        statistics,
    )
    return statistics


@njit(cache=True, nogil=True)
def corpus_bleu(sums: Any) -> float:
    """BLEU (0 to 100) of summed statistics [9].

    As in sacreBLEU, the k-th precision without a match counts as 1 / 2^k matches.
    """
    if sums[0] == 0:
        return 0.0
    smoothing = 1.0
    log_precisions = 0.0
    for n in range(MAX_ORDER):
        if sums[TOTALS + n] == 0:
            return 0.0
        if sums[n] == 0:
            smoothing *= 2
            log_precisions -= math.log(smoothing * sums[TOTALS + n])
        else:
            log_precisions += math.log(sums[n] / sums[TOTALS + n])
    log_penalty = min(0.0, 1 - sums[REFERENCE_LENGTH] / sums[TOTALS])
    return 100 * math.exp(log_penalty + log_precisions / MAX_ORDER)


@njit(cache=True, nogil=True)
def _count(
    words: Any,
    word_offsets: Any,
    sentence_offsets: Any,
    reference_words: Any,
    reference_offsets: Any,
    statistics: Any,
) -> None:
    """Fill ``statistics``; the R references of sentence s are number s * R to (s + 1) * R."""
    num_sentences = len(sentence_offsets) - 1
    num_references = (len(reference_offsets) - 1) // num_sentences
    longest = 0
    for s in range(num_sentences):
        first = reference_offsets[s * num_references]
        longest = max(longest, reference_offsets[(s + 1) * num_references] - first)
    capacity = table_size(MAX_ORDER * longest)
    keys = np.empty(capacity, np.uint64)
    counts = np.empty(capacity, np.int32)  # of each n-gram in the text at hand
    most = np.empty(capacity, np.int32)  # of each n-gram in any one reference
    seen_in = np.empty(capacity, np.int64)  # the text that ``counts`` is about
    for s in range(num_sentences):
        first, last = s * num_references, (s + 1) * num_references
        size = table_size(MAX_ORDER * (reference_offsets[last] - reference_offsets[first]))
        keys[:size] = 0
        for r in range(first, last):
            for start in range(reference_offsets[r], reference_offsets[r + 1]):
                node = ROOT
                end = min(start + MAX_ORDER, reference_offsets[r + 1])
                for position in range(start, end):
                    key = edge_key(node, reference_words[position])
                    slot = find_slot(keys, size, key)
                    if keys[slot] == 0:
                        keys[slot] = key
                        most[slot] = 0
                        seen_in[slot] = -1
                    if seen_in[slot] != r:
                        seen_in[slot] = r
                        counts[slot] = 0
                    counts[slot] += 1
                    most[slot] = max(most[slot], counts[slot])
                    node = FIRST_NODE + slot
        for slot in range(size):
            seen_in[slot] = -1
        for h in range(sentence_offsets[s], sentence_offsets[s + 1]):
            row = statistics[h]
            length = word_offsets[h + 1] - word_offsets[h]
            for n in range(MAX_ORDER):
                row[n] = 0
                row[TOTALS + n] = max(length - n, 0)
            for start in range(word_offsets[h], word_offsets[h + 1]):
                node = ROOT
                for n in range(min(MAX_ORDER, word_offsets[h + 1] - start)):
                    slot = find_slot(keys, size, edge_key(node, words[start + n]))
                    if keys[slot] == 0:
                        break
                    if seen_in[slot] != h:
                        seen_in[slot] = h
                        counts[slot] = 0
                    if counts[slot] < most[slot]:
                        counts[slot] += 1
                        row[n] += 1
                    node = FIRST_NODE + slot
            closest = -1
            for r in range(first, last):
                candidate = reference_offsets[r + 1] - reference_offsets[r]
                nearer = abs(candidate - length) - abs(closest - length)
                if closest < 0 or nearer < 0 or (nearer == 0 and candidate < closest):
                    closest = candidate
            row[REFERENCE_LENGTH] = closest
