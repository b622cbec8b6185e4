"""Minimum Bayes risk: of several translations, the one that is most like all the others.

Search gives the most probable translation. Minimum Bayes risk gives that with the greatest expected
utility, where the candidates stand for what the translation might be, each with its probability
(Kumar and Byrne 2004; for samples of a neural system, Eikema and Aziz 2020)::

    best = argmax_i  sum_j  p_j  utility(candidate_i, reference = candidate_j)

The utilities are sacreBLEU's sentence BLEU and chrF.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from nmt.ngrams import FIRST_NODE, ROOT, edge_key, find_slot, table_size

UtilityName = Literal["bleu", "chrf"]
"""``bleu`` compares words; ``chrf`` compares characters, spaces left out."""

_BLEU_ORDER: Final = 4
_CHRF_ORDER: Final = 6
_CHRF_BETA_SQUARED: Final = 4.0


def minimum_risk(
    candidates: Sequence[Sequence[str] | Sequence[Sequence[str]]],
    scores: Sequence[Sequence[float]] | None = None,
    *,
    utility: UtilityName = "bleu",
    scale: float = 1.0,
) -> list[int]:
    """The index of the best candidate of each sentence.

    Which text is chosen does not depend on the order of the candidates; of equal texts it is the
    first. Of texts with equal expected utility it is the more probable one, of these the first in
    alphabetical order.

    Args:
        candidates: for each sentence its candidates, one at least; each a text, or a list of words.
        scores: their log-probabilities, up to a constant; None: all are equally probable, as
            samples are.
        utility: ``bleu``, on words between spaces, or ``chrf``.
        scale: what scores are multiplied by before the softmax over a sentence's candidates: the
            lower, the more equal; 0 is as without scores.
    """
    if scores is None:
        scores = [[0.0] * len(texts) for texts in candidates]
    tokens: list[NDArray[np.int32]] = []
    weights: list[NDArray[np.float64]] = []
    firsts: list[list[int]] = []
    for texts, values in zip(candidates, scores, strict=True):
        first, weight = _distinct(texts, values, scale)
        firsts.append(first)
        weights.append(weight)
        split = _words if utility == "bleu" else _characters
        tokens += split([texts[index] for index in first])
    utilities = expected_utility(
        np.concatenate([*tokens, np.empty(0, np.int32)]),
        _offsets([len(text) for text in tokens]),
        _offsets([len(first) for first in firsts]),
        np.concatenate([*weights, np.empty(0)]),
        utility,
    )
    chosen = []
    begin = 0
    for first, weight in zip(firsts, weights, strict=True):
        # Python's max takes the first of equals, and the texts are in alphabetical order.
        keys = zip(utilities[begin : begin + len(first)].tolist(), weight.tolist(), strict=True)
        chosen.append(first[max(enumerate(keys), key=lambda item: item[1])[0]])
        begin += len(first)
    return chosen


def _distinct(
    texts: Sequence[str] | Sequence[Sequence[str]], scores: Sequence[float], scale: float
) -> tuple[list[int], NDArray[np.float64]]:
    """The first of each distinct text, in alphabetical order, and its probability."""
    assert len(texts) == len(scores) > 0
    grouped: dict[str | tuple[str, ...], list[int]] = {}
    for index, text in enumerate(texts):
        grouped.setdefault(text if isinstance(text, str) else tuple(text), []).append(index)
    groups = [group for _, group in sorted(grouped.items())]
    values = scale * np.array(scores, np.float64) if scale else np.zeros(len(scores))
    powers = np.exp(values - values.max())
    # Sums over sorted numbers are the same in whichever order the candidates come.
    sums = np.array([sum(sorted(powers[group].tolist())) for group in groups])
    return [group[0] for group in groups], sums / sums.sum()


def _words(texts: Sequence[str | Sequence[str]]) -> list[NDArray[np.int32]]:
    """Numbers of the words of a sentence's candidates."""
    ids: dict[str, int] = {}
    return [
        np.array(
            [
                ids.setdefault(word, len(ids))
                for word in (text.split() if isinstance(text, str) else text)
            ],
            np.int32,
        )
        for text in texts
    ]


def _characters(texts: Sequence[str | Sequence[str]]) -> list[NDArray[np.int32]]:
    """The characters of each candidate but for spaces, as numbers."""
    joined = ("".join(text.split() if isinstance(text, str) else text) for text in texts)
    return [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4") for text in joined]


def _offsets(lengths: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def expected_utility(
    tokens: NDArray[np.int32],
    candidate_offsets: NDArray[np.int64],
    sentence_offsets: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    utility: UtilityName = "bleu",
) -> NDArray[np.float64]:
    """The expected utility [C], 0 to 100, of each of C candidates of S sentences.

    Args:
        tokens: of all candidates, end to end: numbers of words (for BLEU) or of characters without
            spaces (for chrF).
        candidate_offsets: [C+1] where each candidate's tokens begin.
        sentence_offsets: [S+1] where each sentence's candidates begin.
        probabilities: [C]; those of a sentence add up to 1.
        utility: ``bleu`` or ``chrf``.
    """
    result = np.zeros(len(candidate_offsets) - 1, np.float64)
    _expect(
        np.require(tokens, np.int32, ["C", "W"]),
        np.require(candidate_offsets, np.int64, ["C", "W"]),
        np.require(sentence_offsets, np.int64, ["C", "W"]),
        np.require(probabilities, np.float64, ["C", "W"]),
        _BLEU_ORDER if utility == "bleu" else _CHRF_ORDER,
        utility == "bleu",
        result,
    )
    return result


@njit(cache=True, nogil=True)
def _sentence_bleu(matches: Any, length: int, reference_length: int) -> float:
    """sacreBLEU's sentence BLEU: the orders that the hypothesis has, exponential smoothing."""
    if matches[0] == 0:
        return 0.0
    smoothing = 1.0
    product = 1.0
    order = min(_BLEU_ORDER, length)
    for n in range(order):
        if matches[n] == 0:
            smoothing *= 2
            product /= smoothing * (length - n)
        else:
            product *= matches[n] / (length - n)
    score = math.sqrt(math.sqrt(product)) if order == 4 else product ** (1 / order)
    if length < reference_length:
        score *= math.exp(1 - reference_length / length)
    return 100 * score


@njit(cache=True, nogil=True)
def _sentence_chrf(matches: Any, length: int, reference_length: int) -> float:
    """sacreBLEU's chrF2: F score of the mean precision and recall, the latter counting twice."""
    order = min(_CHRF_ORDER, length, reference_length)
    precision = 0.0
    recall = 0.0
    for n in range(order):
        precision += matches[n] / (length - n)
        recall += matches[n] / (reference_length - n)
    if precision + recall == 0:
        return 0.0
    score = (1 + _CHRF_BETA_SQUARED) * precision * recall
    return 100 * score / (_CHRF_BETA_SQUARED * precision + recall) / order


class _Lists(NamedTuple):
    """Room for the n-grams of one sentence's candidates; N n-grams with repetitions."""

    keys: NDArray[np.uint64]
    """[C] The slots of the trie of all n-grams; see `nmt.ngrams`."""
    number: NDArray[np.int32]
    """[C] The number of the n-gram in each slot."""
    nodes: NDArray[np.int64]
    """The n-gram that begins at each position of the candidate at hand."""
    place: NDArray[np.int64]
    """[N] Where each n-gram, by its number, stands in the last list that has it."""
    ngrams: NDArray[np.int32]
    """[N] The candidates' lists of different n-grams, shorter n-grams first, end to end."""
    counts: NDArray[np.int32]
    """[N] How often each candidate has each of its n-grams."""
    bounds: NDArray[np.int64]
    """[candidates, orders + 1] Where the n-grams of each length begin in each candidate's list."""


@njit(cache=True, nogil=True)
def _list_ngrams(lists: Any, tokens: Any, offsets: Any, max_order: int) -> None:
    """Fill ``lists`` with the n-grams of a sentence's candidates; they begin at ``offsets``."""
    keys = lists.keys
    size = table_size(max_order * (offsets[-1] - offsets[0]))
    keys[:size] = 0
    num_ngrams = 0
    filled = 0
    for c in range(len(offsets) - 1):
        length = offsets[c + 1] - offsets[c]
        lists.nodes[:length] = ROOT
        begin = filled
        for n in range(max_order):
            lists.bounds[c, n] = filled
            for start in range(length - n):
                key = edge_key(lists.nodes[start], tokens[offsets[c] + start + n])
                slot = find_slot(keys, size, key)
                if keys[slot] == 0:
                    keys[slot] = key
                    lists.number[slot] = num_ngrams
                    lists.place[num_ngrams] = -1
                    num_ngrams += 1
                lists.nodes[start] = FIRST_NODE + slot
                ngram = lists.number[slot]
                if lists.place[ngram] < begin:
                    lists.place[ngram] = filled
                    lists.ngrams[filled] = ngram
                    lists.counts[filled] = 0
                    filled += 1
                lists.counts[lists.place[ngram]] += 1
        lists.bounds[c, max_order] = filled


@njit(cache=True, nogil=True)
def _expect(
    tokens: Any,
    candidate_offsets: Any,
    sentence_offsets: Any,
    probabilities: Any,
    max_order: int,
    is_bleu: bool,
    result: Any,
) -> None:
    """Add to ``result`` what every candidate, as reference, is worth to every other.

    Two candidates share of each n-gram the lesser of both counts, whichever of them is the
    reference. So each pair is compared once.
    """
    most_tokens = 0
    most_candidates = 0
    for s in range(len(sentence_offsets) - 1):
        first, last = sentence_offsets[s], sentence_offsets[s + 1]
        most_tokens = max(most_tokens, candidate_offsets[last] - candidate_offsets[first])
        most_candidates = max(most_candidates, last - first)
    num_slots = table_size(max_order * most_tokens)
    lists = _Lists(
        keys=np.empty(num_slots, np.uint64),
        number=np.empty(num_slots, np.int32),
        nodes=np.empty(most_tokens, np.int64),
        place=np.empty(max_order * most_tokens, np.int64),
        ngrams=np.empty(max_order * most_tokens, np.int32),
        counts=np.empty(max_order * most_tokens, np.int32),
        bounds=np.empty((most_candidates, max_order + 1), np.int64),
    )
    ngrams, counts, bounds = lists.ngrams, lists.counts, lists.bounds
    of_one = np.zeros(max_order * most_tokens, np.int32)  # counts of one candidate, by n-gram
    matches = np.empty(max_order, np.int64)
    for s in range(len(sentence_offsets) - 1):
        first = sentence_offsets[s]
        offsets = candidate_offsets[first : sentence_offsets[s + 1] + 1]
        _list_ngrams(lists, tokens, offsets, max_order)
        for i in range(len(offsets) - 1):
            length = offsets[i + 1] - offsets[i]
            for k in range(bounds[i, 0], bounds[i, max_order]):
                of_one[ngrams[k]] = counts[k]
            for j in range(i + 1):
                other_length = offsets[j + 1] - offsets[j]
                for n in range(max_order):
                    shared = 0
                    for k in range(bounds[j, n], bounds[j, n + 1]):
                        shared += min(counts[k], of_one[ngrams[k]])
                    matches[n] = shared
                if is_bleu:
                    forth = _sentence_bleu(matches, length, other_length)
                    back = _sentence_bleu(matches, other_length, length)
                else:
                    forth = _sentence_chrf(matches, length, other_length)
                    back = _sentence_chrf(matches, other_length, length)
                result[first + i] += probabilities[first + j] * forth
                if i != j:
                    result[first + j] += probabilities[first + i] * back
            for k in range(bounds[i, 0], bounds[i, max_order]):
                of_one[ngrams[k]] = 0
