"""E-steps against plain implementations, and EM's promise that the likelihood never falls."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.statistical.alignment import position_loops
from nmt.statistical.alignment.cells import collect_cells
from nmt.statistical.alignment.directions import (
    Chunks,
    Direction,
    Expectation,
    best_links,
    expect,
    first_jumps,
)
from nmt.statistical.alignment.estimation import FLOOR, digamma, estimate
from nmt.statistical.alignment.hmm_loops import FIRST_JUMP_COUNT, MAX_JUMP, NUM_JUMPS
from nmt.statistical.alignment.position_loops import ONE
from tests.statistical.alignment.plain_models import (
    NUM_WORDS,
    Expected,
    Pair,
    bitext,
    expect_by_enumeration,
    expect_by_position,
    some_pairs,
)


def make(
    pairs: list[Pair], seed: int, *, reverse: bool, p0: float, tension: float = 0.0
) -> tuple[Chunks, Direction]:
    """A bitext and a direction with random tables."""
    text = bitext(pairs)
    cells = collect_cells(text, NUM_WORDS, NUM_WORDS)
    random = np.random.default_rng(seed)
    direction = Direction(
        reverse=reverse,
        lexical=random.uniform(0.01, 1, len(cells.targets) + 1).astype(np.float32),
        null=random.uniform(0.01, 1, NUM_WORDS).astype(np.float32),
        null_probability=p0,
        tension=tension,
    )
    return Chunks(text, cells, 1), direction


def by_direction(pairs: list[Pair], *, reverse: bool) -> list[Pair]:
    """Pairs of given and generated words."""
    return [(target, source) for source, target in pairs] if reverse else pairs


def look_up(chunks: Chunks, direction: Direction) -> dict[tuple[int, int], float]:
    """p(generated | given) of every cell, by words."""
    cells = chunks.cells
    owners = cells.owners(reverse=direction.reverse)
    generated = cells.owners(reverse=not direction.reverse)
    words = zip(owners.tolist(), generated.tolist(), strict=True)
    return dict(zip(words, direction.lexical[:-1].tolist(), strict=True))


def check(chunks: Chunks, direction: Direction, found: Expectation, wanted: Expected) -> None:
    """Counts must be equal up to the resolution of fixed point and of float32."""
    counts = dict(zip(look_up(chunks, direction), (found.counts / ONE).tolist(), strict=False))
    assert counts == pytest.approx({**dict.fromkeys(counts, 0.0), **wanted.links}, abs=1e-6)
    no_links = [wanted.no_links.get(word, 0.0) for word in range(NUM_WORDS)]
    assert (found.null_counts / ONE).tolist() == pytest.approx(no_links, abs=1e-6)
    log_likelihood = found.statistics[position_loops.LOG_LIKELIHOOD]
    assert log_likelihood == pytest.approx(wanted.log_likelihood, abs=1e-5)


@given(
    pairs=some_pairs(6),
    seed=st.integers(0, 1000),
    tension=st.floats(0, 14),
    p0=st.none() | st.floats(0, 0.9),
    reverse=st.booleans(),
)
def test_models_of_positions(
    pairs: list[Pair], seed: int, tension: float, p0: float | None, reverse: bool
) -> None:
    known = -1.0 if p0 is None else p0
    chunks, direction = make(pairs, seed, reverse=reverse, p0=known, tension=tension)
    table = look_up(chunks, direction)
    wanted = expect_by_position(
        by_direction(pairs, reverse=reverse),
        lambda one, word: table[one, word],
        lambda word: float(direction.null[word]),
        tension,
        p0,
    )
    check(chunks, direction, expect(direction, chunks), wanted)


@given(pairs=some_pairs(5), seed=st.integers(0, 1000), tension=st.floats(0.1, 13))
def test_slope_of_the_tension(pairs: list[Pair], seed: int, tension: float) -> None:
    chunks, direction = make(pairs, seed, reverse=False, p0=0.1, tension=tension)

    def log_likelihood(value: float) -> float:
        direction.tension = value
        return float(expect(direction, chunks).statistics[position_loops.LOG_LIKELIHOOD])

    slope = expect(direction, chunks).statistics[position_loops.SLOPE]
    step = 1e-4
    difference = log_likelihood(tension + step) - log_likelihood(tension - step)
    assert slope == pytest.approx(difference / (2 * step), abs=1e-5)


@given(
    pairs=some_pairs(4),
    seed=st.integers(0, 1000),
    p0=st.floats(0.01, 0.9),
    reverse=st.booleans(),
)
@settings(max_examples=50)
def test_hmm_against_enumeration(pairs: list[Pair], seed: int, p0: float, reverse: bool) -> None:
    chunks, direction = make(pairs, seed, reverse=reverse, p0=p0)
    jumps = np.random.default_rng(seed).uniform(0.01, 1, NUM_JUMPS)
    direction.jumps = jumps
    table = look_up(chunks, direction)
    wanted, made = expect_by_enumeration(
        by_direction(pairs, reverse=reverse),
        lambda one, word: table[one, word],
        lambda word: float(direction.null[word]),
        lambda distance: float(jumps[MAX_JUMP + distance]),
        p0,
    )
    found = expect(direction, chunks)
    check(chunks, direction, found, wanted)
    counted = found.statistics[FIRST_JUMP_COUNT:][:NUM_JUMPS]
    expected = [made.get(distance, 0.0) for distance in range(-MAX_JUMP, MAX_JUMP + 1)]
    assert counted.tolist() == pytest.approx(expected, abs=1e-6)


def test_jumps_beyond_the_longest_count_as_it() -> None:
    pairs = [(list(range(3, 3 + MAX_JUMP + 9)), [3, 4])]
    text = bitext(pairs)
    cells = collect_cells(text, 200, 200)
    lexical = np.full(len(cells.targets) + 1, FLOOR, np.float32)
    # The first generated word is the first given one, the second is the last.
    lexical[0] = 1.0
    lexical[len(cells.targets) - 1] = 1.0
    null = np.full(200, FLOOR, np.float32)
    direction = Direction(False, lexical, null, 0.1, jumps=np.full(NUM_JUMPS, 0.1))
    chunks = Chunks(text, cells, 1)
    made = expect(direction, chunks).statistics[FIRST_JUMP_COUNT:][:NUM_JUMPS]
    assert made[-1] == pytest.approx(1, abs=1e-4)
    assert made[MAX_JUMP + 1] == pytest.approx(1, abs=1e-4)
    assert best_links(direction, chunks).tolist() == [0, MAX_JUMP + 8]


@given(
    pairs=some_pairs(7),
    kind=st.sampled_from(["ibm1", "fixed", "learned", "hmm"]),
    p0=st.floats(0.01, 0.6),
)
def test_likelihood_never_falls(pairs: list[Pair], kind: str, p0: float) -> None:
    tension = 0.0 if kind in ("ibm1", "hmm") else 4.0
    known = -1.0 if kind == "ibm1" else p0
    chunks, direction = make(pairs, 1, reverse=False, p0=known, tension=tension)
    direction.jumps = first_jumps() if kind == "hmm" else None
    before = -np.inf
    for number in range(6):
        expected = expect(direction, chunks)
        now = expected.statistics[position_loops.LOG_LIKELIHOOD]
        # The random tables of the first round are not normalised.
        assert number < 2 or now >= before - 1e-5
        before = now
        direction.learn(expected, chunks.cells, 0.0, learn_tension=kind == "learned")


@given(pairs=some_pairs(5, min_words=1), seed=st.integers(0, 1000), hmm=st.booleans())
def test_best_links_have_the_greatest_posterior(pairs: list[Pair], seed: int, hmm: bool) -> None:
    pair = pairs[0]
    source = list(range(3, 3 + len(pair[0])))[: NUM_WORDS - 3]
    target = list(range(3, 3 + len(pair[1])))[: NUM_WORDS - 3]
    # Words differ, so that the counts of words are the posteriors of their positions.
    chunks, direction = make([(source, target)], seed, reverse=False, p0=0.3, tension=2.0)
    direction.jumps = first_jumps() if hmm else None
    expected = expect(direction, chunks)
    posteriors = (expected.counts[:-1] / ONE).reshape(len(source), len(target))
    for j, link in enumerate(best_links(direction, chunks).tolist()):
        no_link = expected.null_counts[target[j]] / ONE
        best = no_link if link < 0 else posteriors[link, j]
        assert best >= max(no_link, *posteriors[:, j]) - 1e-6


@given(x=st.floats(1e-3, 1e6))
def test_digamma(x: float) -> None:
    assert digamma(x) == pytest.approx(float(mpmath.digamma(x)), rel=1e-9, abs=1e-9)


@given(
    weights=st.lists(st.floats(0, 1000), min_size=1, max_size=6),
    alpha=st.sampled_from([0.0, 0.001, 0.01, 1.0]),
)
def test_estimates(weights: list[float], alpha: float) -> None:
    counts = np.array([int(weight * ONE) for weight in weights] + [0], np.int64)
    probabilities = np.empty(len(counts), np.float32)
    estimate(counts, np.zeros(len(weights), np.int32), 1, alpha, probabilities)
    weights = (counts[:-1] / ONE).tolist()  # rounded to fixed point
    total = sum(weights)
    if alpha:
        psi = mpmath.digamma
        norm = psi(total + alpha * len(weights))
        wanted = [float(mpmath.exp(psi(weight + alpha) - norm)) for weight in weights]
    else:
        wanted = [weight / total if total else 0.0 for weight in weights]
    wanted = [max(value, FLOOR) for value in wanted] + [FLOOR]
    assert probabilities.tolist() == pytest.approx(wanted, rel=1e-5, abs=1e-9)
