"""The sampler: its counts, its probabilities, its independence of threads."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.alignment import directions
from nmt.statistical.alignment.directions import Chunks
from nmt.statistical.alignment.gibbs import Chain, sample_hmms
from nmt.statistical.alignment.gibbs_loops import LONGEST_JUMP, NUM_FERTILITIES
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.training import train_direction
from tests.statistical.alignment.plain_models import (
    NUM_WORDS,
    Pair,
    bitext,
    some_pairs,
)
from tests.statistical.alignment.test_expectations import by_direction, make

SETTINGS = AlignmentSettings(sampling_alpha=0.05, null_prior=0.3)


def some_links(pairs: list[Pair], seed: int) -> list[list[int]]:
    """For each pair of given and generated words a random link of every generated word."""
    random = np.random.default_rng(seed)
    return [random.integers(-1, len(given), len(generated)).tolist() for given, generated in pairs]


def start(pairs: list[Pair], links: list[list[int]], *, reverse: bool) -> tuple[Chunks, Chain]:
    chunks, direction = make(pairs, 1, reverse=reverse, p0=0.1)
    flat = np.array([link for one in links for link in one], np.int32)
    return chunks, Chain(chunks, direction, flat, SETTINGS, 0)


def plain_fertilities(pairs: list[Pair], links: list[list[int]]) -> dict[int, list[float]]:
    """How often each word has how many links, with the prior."""
    counts = {word: [0.5] * NUM_FERTILITIES for word in range(NUM_WORDS)}
    for (known, _), one in zip(pairs, links, strict=True):
        for i, word in enumerate(known):
            counts[word][min(one.count(i), NUM_FERTILITIES - 1)] += 1
    return counts


def plain_probabilities(
    pairs: list[Pair], links: list[list[int]], fertilities: dict[int, list[float]], n: int, j: int
) -> list[float]:
    """p(link | all other links) of generated word j of pair n: to each position, and to none."""
    words: Counter[tuple[int, int]] = Counter()
    totals: Counter[int] = Counter()
    jumps: Counter[int] = Counter()
    for number, ((known, generated), one) in enumerate(zip(pairs, links, strict=True)):
        for place, (link, word) in enumerate(zip(one, generated, strict=True)):
            if (number, place) != (n, j):
                owner = known[link] if link >= 0 else -1
                words[owner, word] += 1
                totals[owner] += 1
        if number == n:  # jumps from and to the word in question, or past it, do not count
            left = [-1, *(link for link in one[:j] if link >= 0)]
            right = [*(link for link in one[j + 1 :] if link >= 0), len(known)]
            ways = [left, right]
        else:
            ways = [[-1, *(link for link in one if link >= 0), len(known)]]
        for way in ways:
            for position, link in itertools.pairwise(way):
                jumps[link - position] += 1
    known, generated = pairs[n]
    word = generated[j]
    left_link = next((link for link in reversed(links[n][:j]) if link >= 0), -1)
    right_link = next((link for link in links[n][j + 1 :] if link >= 0), len(known))
    alpha, jump_sum = SETTINGS.sampling_alpha, jumps.total() + 50.0

    def translation(owner: int) -> float:
        return (words[owner, word] + alpha) / (totals[owner] + alpha * NUM_WORDS)

    def jump(distance: int) -> float:
        return (jumps[distance] + 0.5) / jump_sum

    weights = []
    for i, owner in enumerate(known):
        others = sum(link == i for place, link in enumerate(links[n]) if place != j)
        row = fertilities[owner]
        more = row[others + 1] / row[others] if others + 1 < NUM_FERTILITIES - 1 else 1e-10
        weights.append(translation(owner) * jump(i - left_link) * jump(right_link - i) * more)
    weights.append(SETTINGS.null_prior * translation(-1) * jump(right_link - left_link))
    return [weight / sum(weights) for weight in weights]


@given(pairs=some_pairs(5, min_words=1), seed=st.integers(0, 1000), reverse=st.booleans())
@settings(max_examples=50)
def test_probabilities_of_every_draw(pairs: list[Pair], seed: int, reverse: bool) -> None:
    turned = by_direction(pairs, reverse=reverse)
    links = some_links(turned, seed)
    chunks, chain = start(pairs, links, reverse=reverse)
    chain.learn_fertilities()
    fertilities = plain_fertilities(turned, links)
    (chunk,) = chunks
    sums = np.zeros(len(chunk.slots), np.float32)
    null_sums = np.zeros(len(chain.links), np.float32)
    chain.sweep(chunk, sums, null_sums)
    drawn = iter(chain.links.tolist())
    base = token = 0
    for n, (known, generated) in enumerate(turned):
        table = sums[base : base + len(known) * len(generated)]
        table = table.reshape((len(generated), len(known)) if reverse else (len(known), -1))
        for j in range(len(generated)):
            found = table[j] if reverse else table[:, j]
            wanted = plain_probabilities(turned, links, fertilities, n, j)
            assert [*found.tolist(), float(null_sums[token])] == pytest.approx(wanted, abs=1e-5)
            links[n][j] = next(drawn)
            token += 1
        base += len(known) * len(generated)


@given(pairs=some_pairs(7), seed=st.integers(0, 1000), reverse=st.booleans())
def test_counts_stay_those_of_the_links(pairs: list[Pair], seed: int, reverse: bool) -> None:
    links = some_links(by_direction(pairs, reverse=reverse), seed)
    chunks, chain = start(pairs, links, reverse=reverse)
    chain.run()
    _, again = start(pairs, [chain.links.tolist()], reverse=reverse)
    np.testing.assert_array_equal(chain._cell_counts, again._cell_counts)
    np.testing.assert_array_equal(chain._null_counts, again._null_counts)
    np.testing.assert_allclose(chain._totals, again._totals)
    np.testing.assert_allclose(chain.jumps, again.jumps)
    assert chain.jumps[-1] - 50 == pytest.approx((chain.jumps[:-1] - 0.5).sum())
    assert len(chain.jumps) == 2 * LONGEST_JUMP + 2
    assert len(chunks) <= 1


def test_links_are_drawn_with_their_probabilities() -> None:
    # One given word, never linked elsewhere: the word has this link or none.
    pairs: list[Pair] = [([3], [4])]
    chunks, chain = start(pairs, [[0]], reverse=False)
    (chunk,) = chunks
    chain.learn_fertilities()
    linked, draws, probability = 0, 4000, 0.0
    for _ in range(draws):
        sums, null_sums = np.zeros(1, np.float32), np.zeros(1, np.float32)
        chain.sweep(chunk, sums, null_sums)
        probability = float(sums[0])
        linked += int(chain.links[0] == 0)
    deviation = (probability * (1 - probability) / draws) ** 0.5
    assert abs(linked / draws - probability) < 4 * deviation
    assert 0.05 < probability < 0.95


@given(pairs=some_pairs(7), workers=st.integers(2, 3))
def test_threads_change_nothing(pairs: list[Pair], workers: int) -> None:
    text = bitext(pairs)
    settings = AlignmentSettings(chains=2, sweeps=2)

    def run(workers: int) -> list[list[float]]:
        chunks = Chunks(text, make(pairs, 1, reverse=False, p0=0.1)[0].cells, workers)
        trained = [
            train_direction(chunks, settings, reverse, lambda _: None) for reverse in (False, True)
        ]
        sample_hmms(trained, chunks, settings, lambda _: None)
        return [[*one.lexical.tolist(), one.null_probability] for one in trained]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(directions, "CHUNK_PAIRS", 10)
        assert run(1) == run(workers)


@given(pairs=some_pairs(6))
def test_the_model_of_what_was_sampled(pairs: list[Pair]) -> None:
    chunks, _ = make(pairs, 1, reverse=False, p0=0.1)
    settings = AlignmentSettings(chains=2, sweeps=1, alpha=0)
    trained = [
        train_direction(chunks, settings, reverse, lambda _: None) for reverse in (False, True)
    ]
    sample_hmms(trained, chunks, settings, lambda _: None)
    num_words = sum(len(target) for _, target in pairs)
    if num_words == 0:
        return
    forward = trained[0]
    assert forward.jumps is not None
    assert forward.jumps.sum() == pytest.approx(1, abs=1e-3)
    assert 0 < forward.null_probability <= 1
    # Without a prior, what given words generate is a distribution, up to fixed point and floor; a
    # word that was never linked has only the floor.
    owners = chunks.cells.owners(reverse=False)
    sums = np.bincount(owners, forward.lexical[:-1], minlength=NUM_WORDS)
    for word in set(owners.tolist()):
        assert sums[word] == pytest.approx(1, abs=1e-3) or sums[word] < 1e-6
