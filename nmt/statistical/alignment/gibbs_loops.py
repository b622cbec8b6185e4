"""The loops of a Gibbs sampler of alignments, an HMM with fertilities (Östling and Tiedemann 2016).

Each word's link is drawn anew, given all others, with probability proportional to

    (n(word, e_i) + alpha) / (n(e_i) + alpha * V)  *  h(i - left) * h(right - i)
        *  f(fertility of i + 1 | e_i) / f(fertility of i | e_i)

where n counts the other links of the whole bitext, h the jumps between linked words (``left`` and
``right`` are the positions that the nearest linked words to either side are linked to), and f is
how often a word has how many links. Translation and jump probabilities are integrated out, so the
counts change with each draw; fertilities are estimated between sweeps.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from nmt.statistical.alignment.position_loops import ONE

LONGEST_JUMP: Final = 1023
"""Longer jumps are counted as this long."""
NUM_FERTILITIES: Final = 8
"""Fertilities 0 to 6, and all above, which are all but ruled out."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_JUMP_PRIOR: Final = 0.5
_FERTILITY_PRIOR: Final = 0.5
_TOO_FERTILE: Final = 1e-10
# For how many jumps the prior counts in their sum; few are ever longer.
_LIKELY_JUMPS: Final = 100


@njit(inline="always")
def _jump(left: int, right: int) -> int:
    """The place of a jump among the counts."""
    return min(max(right - left, -LONGEST_JUMP), LONGEST_JUMP) + LONGEST_JUMP


@njit(cache=True, nogil=True)
def count_links(
    given_words: Any,
    given_offsets: Any,
    generated_words: Any,
    generated_offsets: Any,
    first: int,
    last: int,
    slots: Any,
    reverse: bool,
    links: Any,
    cell_counts: Any,
    null_counts: Any,
    totals: Any,
    jumps: Any,
) -> None:
    """Count the links of the sentence pairs ``first`` to ``last``, as `sweep` keeps them counted.

    Args:
        links: the given position of each generated word of the bitext, -1 for none.
        cell_counts: [C + 1] is added to.
        null_counts: [generated words] likewise, for words without link.
        totals: [given words + 1] likewise: links of each given word, and, last, of none.
        jumps: [2 * LONGEST_JUMP + 2] likewise; the last is their sum.
    """
    base = 0
    for n in range(first, last):
        given = given_words[given_offsets[n] : given_offsets[n + 1]]
        num_given = len(given)
        num_generated = generated_offsets[n + 1] - generated_offsets[n]
        given_step = 1 if reverse else num_generated
        generated_step = num_given if reverse else 1
        left = -1
        for j in range(num_generated):
            i = links[generated_offsets[n] + j]
            if i < 0:
                null_counts[generated_words[generated_offsets[n] + j]] += 1
                totals[-1] += 1
                continue
            cell_counts[slots[base + i * given_step + j * generated_step]] += 1
            totals[given[i]] += 1
            jumps[_jump(left, i)] += 1
            jumps[-1] += 1
            left = i
        jumps[_jump(left, num_given)] += 1
        jumps[-1] += 1
        base += num_given * num_generated


@njit(cache=True, nogil=True)
def add_priors(totals: Any, jumps: Any, alpha: float, num_generated_words: int) -> None:
    """Add the priors' share to counts: they are sums of Dirichlet parameters from here on."""
    totals += alpha * num_generated_words
    jumps[:-1] += _JUMP_PRIOR
    jumps[-1] += _JUMP_PRIOR * _LIKELY_JUMPS


@njit(cache=True, nogil=True)
def estimate_fertilities(
    given_words: Any, given_offsets: Any, generated_offsets: Any, links: Any, ratios: Any
) -> None:
    """Fill in f(k | word) / f(k - 1 | word) for fertilities k from 1 on: [given words, 8]."""
    ratios[:] = _FERTILITY_PRIOR
    longest = 1
    for n in range(len(given_offsets) - 1):
        longest = max(longest, given_offsets[n + 1] - given_offsets[n])
    fertility = np.zeros(longest, np.int32)
    for n in range(len(given_offsets) - 1):
        begin = given_offsets[n]
        num_given = given_offsets[n + 1] - begin
        fertility[:num_given] = 0
        for token in range(generated_offsets[n], generated_offsets[n + 1]):
            if links[token] >= 0:
                fertility[links[token]] += 1
        for i in range(num_given):
            ratios[given_words[begin + i], min(fertility[i], NUM_FERTILITIES - 1)] += 1
    for word in range(len(ratios)):
        for k in range(NUM_FERTILITIES - 2, 0, -1):
            ratios[word, k] /= ratios[word, k - 1]
        ratios[word, NUM_FERTILITIES - 1] = _TOO_FERTILE


@njit(inline="always")
def _weigh(
    given: Any, same: Any, fertility: Any, ratios: Any, totals: Any, weight: Any, position: int
) -> None:
    """Weigh anew all places of the word at a position: its total or its fertility has changed."""
    i = position
    while True:
        more = min(fertility[i] + 1, NUM_FERTILITIES - 1)
        weight[i] = ratios[given[i], more] / totals[given[i]]
        i = same[i]
        if i == position:
            break


@njit(cache=True, nogil=True)
def sweep(
    given_words: Any,
    given_offsets: Any,
    generated_words: Any,
    generated_offsets: Any,
    first: int,
    last: int,
    slots: Any,
    reverse: bool,
    links: Any,
    cell_counts: Any,
    null_counts: Any,
    totals: Any,
    jumps: Any,
    ratios: Any,
    alpha: float,
    null_prior: float,
    random: Any,
    sums: Any,
    null_sums: Any,
) -> None:
    """Draw the link of every generated word of the sentence pairs ``first`` to ``last`` anew.

    Args:
        links: and all counts: as `count_links` left them, the priors added; kept up to date.
        ratios: of `estimate_fertilities`.
        random: [1] the state of the generator (SplitMix64; Steele, Lea and Flood 2014).
        sums: unless ``null_sums`` is empty, the probability of every link is added to it (by pair
            of tokens), and that of no link to ``null_sums`` (by generated word of the chunk).
    """
    longest = longest_generated = 1
    for n in range(first, last):
        longest = max(longest, given_offsets[n + 1] - given_offsets[n])
        longest_generated = max(longest_generated, generated_offsets[n + 1] - generated_offsets[n])
    cumulative_all = np.empty(longest, np.float64)
    weight_all = np.empty(longest, np.float64)
    same_all = np.empty(longest, np.int32)
    fertility_all = np.empty(longest, np.int32)
    right_all = np.empty(longest_generated, np.int32)
    last_place = np.full(len(totals), -1, np.int32)
    state = random[0]
    summing = len(null_sums) > 0
    base = 0
    for n in range(first, last):
        given = given_words[given_offsets[n] : given_offsets[n + 1]]
        num_given = len(given)
        begin = generated_offsets[n]
        num_generated = generated_offsets[n + 1] - begin
        given_step = 1 if reverse else num_generated
        generated_step = num_given if reverse else 1
        cumulative = cumulative_all[:num_given]
        weight = weight_all[:num_given]
        fertility = fertility_all[:num_given]
        # Places of the same word in a ring: when its total changes, so do all their weights.
        same = same_all[:num_given]
        for i in range(num_given):
            same[i] = last_place[given[i]]
            last_place[given[i]] = i
        for i in range(num_given):
            if same[i] < 0:
                same[i] = last_place[given[i]]
                last_place[given[i]] = -1
        fertility[:] = 0
        right = num_given
        for j in range(num_generated - 1, -1, -1):
            right_all[j] = right
            if links[begin + j] >= 0:
                right = links[begin + j]
                fertility[right] += 1
        for i in range(num_given):
            more = min(fertility[i] + 1, NUM_FERTILITIES - 1)
            weight[i] = ratios[given[i], more] / totals[given[i]]
        left = -1
        for j in range(num_generated):
            word = generated_words[begin + j]
            right = right_all[j]
            slot = base + j * generated_step
            old = links[begin + j]
            # Take the old link, and the jumps to it and from it, out of the counts.
            if old < 0:
                null_counts[word] -= 1
                totals[-1] -= 1
                jumps[_jump(left, right)] -= 1
                jumps[-1] -= 1
            else:
                cell_counts[slots[slot + old * given_step]] -= 1
                totals[given[old]] -= 1
                fertility[old] -= 1
                _weigh(given, same, fertility, ratios, totals, weight, old)
                jumps[_jump(left, old)] -= 1
                jumps[_jump(old, right)] -= 1
                jumps[-1] -= 2
            total = 0.0
            for i in range(num_given):
                total += (
                    (cell_counts[slots[slot]] + alpha)
                    * weight[i]
                    * (jumps[_jump(left, i)] * jumps[_jump(i, right)])
                )
                cumulative[i] = total
                slot += given_step
            # One jump less than with a link, so one division by their sum less.
            null_weight = null_prior * (null_counts[word] + alpha) / totals[-1]
            total += null_weight * jumps[-1] * jumps[_jump(left, right)]
            if summing:
                slot = base + j * generated_step
                before = 0.0
                for i in range(num_given):
                    sums[slot] += (cumulative[i] - before) / total
                    before = cumulative[i]
                    slot += given_step
                null_sums[begin + j - generated_offsets[first]] += (total - before) / total
            state += _GOLDEN
            mixed = (state ^ (state >> np.uint64(30))) * _MIX_1
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
            mixed ^= mixed >> np.uint64(31)
            drawn = np.float64(mixed >> np.uint64(11)) * 2.0**-53 * total
            new = 0
            while new < num_given and cumulative[new] <= drawn:
                new += 1
            if new == num_given:
                links[begin + j] = -1
                null_counts[word] += 1
                totals[-1] += 1
                jumps[_jump(left, right)] += 1
                jumps[-1] += 1
            else:
                links[begin + j] = new
                cell_counts[slots[base + j * generated_step + new * given_step]] += 1
                totals[given[new]] += 1
                fertility[new] += 1
                _weigh(given, same, fertility, ratios, totals, weight, new)
                jumps[_jump(left, new)] += 1
                jumps[_jump(new, right)] += 1
                jumps[-1] += 2
                left = new
        base += num_given * num_generated
    random[0] = state


@njit(cache=True, nogil=True)
def count_sums(
    generated_words: Any,
    generated_begin: int,
    slots: Any,
    sums: Any,
    null_sums: Any,
    counts: Any,
    null_counts: Any,
) -> None:
    """Add the sums of `sweep` over a chunk to expected counts, in units of 1 / ONE.

    ``generated_begin`` is where the chunk's generated words begin in those of the bitext.
    """
    for pair in range(len(slots)):
        counts[slots[pair]] += np.int64(sums[pair] * ONE)
    for token in range(len(null_sums)):
        null_counts[generated_words[generated_begin + token]] += np.int64(null_sums[token] * ONE)
