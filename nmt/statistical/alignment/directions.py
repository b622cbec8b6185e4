"""One direction of an alignment model: its parameters, its E-step and its M-step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.alignment import hmm_loops, position_loops
from nmt.statistical.alignment.cells import Cells, find_slots, read_only_bitext
from nmt.statistical.alignment.estimation import FLOOR, estimate
from nmt.statistical.alignment.hmm_loops import MAX_JUMP, NUM_JUMPS
from nmt.statistical.sentences import Bitext, Sentences

CHUNK_PAIRS: Final = 1 << 18
"""About how many pairs of tokens a chunk of sentence pairs has."""
KEPT_PAIRS: Final = 1 << 28
"""Up to how many pairs of tokens their slots are kept (4 bytes each) and not found anew."""

_LEAST_TENSION: Final = 0.1
_GREATEST_TENSION: Final = 14.0  # fast_align's bound
_LONGEST_TENSION_STEP: Final = 2.0

Counts = NDArray[np.int64]


@dataclass
class Direction:
    """What a model knows about how given words generate words: p(generated word | given word).

    Forward, source words are given; in reverse, target words are. A model with ``jumps`` is an HMM,
    without a model of positions.
    """

    reverse: bool
    lexical: NDArray[np.float32]
    """[C + 1] p(generated | given) of each cell, and the least, for words that never met."""
    null: NDArray[np.float32]
    """[generated words] p(generated | nothing)."""
    null_probability: float
    """That a word has no link; below 0, Model 1's 1 / (I + 1)."""
    tension: float = 0.0
    jumps: NDArray[np.float64] | None = None
    """[NUM_JUMPS] How probable each jump is, before it is normalised."""

    def run(
        self, chunk: Chunk, counts: Counts, null_counts: Counts, links: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Count what is expected in a chunk, or, if ``links`` is not empty, put its links there.

        Returns the statistics of `run_positions` or `run_hmm`.
        """
        given, generated = chunk.sides(self.reverse)
        sentences = (
            given.offsets, generated.offsets, generated.words, chunk.first, chunk.last,
            chunk.slots, self.reverse, self.lexical, self.null,
        )  # fmt: skip
        if self.jumps is None:
            statistics = np.zeros(position_loops.NUM_STATISTICS)
            position_loops.run_positions(
                *sentences, self.tension, self.null_probability,
                counts, null_counts, statistics, links,
            )  # fmt: skip
        else:
            statistics = np.zeros(hmm_loops.NUM_HMM_STATISTICS)
            hmm_loops.run_hmm(
                *sentences, self.jumps, self.null_probability,
                counts, null_counts, statistics, links,
            )  # fmt: skip
        return statistics

    def learn(
        self,
        expected: Expectation,
        cells: Cells,
        alpha: float,
        *,
        learn_tension: bool,
    ) -> None:
        """The M-step: take the parameters that fit what is expected best."""
        self.learn_words(expected.counts, expected.null_counts, cells, alpha)
        if self.jumps is not None:
            self.jumps = _learn_jumps(expected.statistics)
        elif learn_tension:
            self.tension = _learn_tension(self.tension, expected.statistics)

    def learn_words(self, counts: Counts, null_counts: Counts, cells: Cells, alpha: float) -> None:
        """Estimate the translation probabilities; see `estimate`."""
        reverse = self.reverse
        owners, num_owners = cells.owners(reverse=reverse), cells.num_given(reverse=reverse)
        estimate(counts, owners, num_owners, alpha, self.lexical)
        nothing = np.zeros(len(null_counts), np.int32)
        estimate(null_counts, nothing, 1, alpha, self.null)


@dataclass(frozen=True)
class Expectation:
    """What the E-step gives."""

    counts: Counts
    """[C + 1] How often each cell's words are linked, in units of 1 / ONE."""
    null_counts: Counts
    """[generated words] How often each has no link."""
    statistics: NDArray[np.float64]
    """Those of `run_positions` or `run_hmm`."""


@dataclass(frozen=True)
class Chunk:
    """Some sentence pairs that follow each other, with the slots of their pairs of tokens."""

    bitext: Bitext
    first: int
    last: int
    slots: NDArray[np.int32]

    def sides(self, reverse: bool) -> tuple[Sentences, Sentences]:
        """The given and the generated sentences of the bitext."""
        source, target = self.bitext.source, self.bitext.target
        return (target, source) if reverse else (source, target)


class Chunks:
    """A bitext in chunks, which do not depend on the number of threads."""

    def __init__(self, bitext: Bitext, cells: Cells, workers: int) -> None:
        self.bitext = read_only_bitext(bitext)
        self.cells = cells
        self.workers = workers
        sizes = np.diff(bitext.source.offsets) * np.diff(bitext.target.offsets)
        ends = np.cumsum(sizes)
        num_pairs = int(ends[-1]) if len(ends) else 0
        steps = np.arange(CHUNK_PAIRS, num_pairs, CHUNK_PAIRS)
        borders = np.unique(np.searchsorted(ends, steps) + 1)
        # There is always a chunk, if only an empty one.
        self.borders = [0, *borders[borders < len(bitext)].tolist(), len(bitext)]
        self._kept: list[NDArray[np.int32]] | None = None
        if num_pairs <= KEPT_PAIRS:
            self._kept = self.map(lambda numbers: [self[n].slots for n in numbers])

    def __len__(self) -> int:
        return len(self.borders) - 1

    def __getitem__(self, number: int) -> Chunk:
        first, last = self.borders[number], self.borders[number + 1]
        kept = self._kept
        slots = find_slots(self.cells, self.bitext, first, last) if kept is None else kept[number]
        return Chunk(self.bitext, first, last, slots)

    def __iter__(self) -> Iterator[Chunk]:
        return (self[number] for number in range(len(self)))

    def map(self, work: Callable[[Sequence[int]], list[Any]]) -> list[Any]:
        """Have each thread work on some chunks, given by number; the results by chunk."""
        workers = max(1, min(self.workers, len(self)))
        shares = [range(worker, len(self), workers) for worker in range(workers)]
        with ThreadPoolExecutor(workers) as threads:
            results: list[Any] = [None] * len(self)
            for share, found in zip(shares, threads.map(work, shares), strict=True):
                for number, result in zip(share, found, strict=True):
                    results[number] = result
        return results


def expect(direction: Direction, chunks: Chunks) -> Expectation:
    """The E-step over a bitext."""
    no_links = np.empty(0, np.int32)
    tables: list[tuple[Counts, Counts]] = []

    def work(numbers: Sequence[int]) -> list[NDArray[np.float64]]:
        counts = np.zeros(len(direction.lexical), np.int64)
        null_counts = np.zeros(len(direction.null), np.int64)
        tables.append((counts, null_counts))
        return [direction.run(chunks[n], counts, null_counts, no_links) for n in numbers]

    statistics = chunks.map(work)
    counts, null_counts = tables[0]
    for more, more_null in tables[1:]:
        counts += more
        null_counts += more_null
    return Expectation(counts, null_counts, np.sum(statistics, axis=0))


def best_links(direction: Direction, chunks: Chunks) -> NDArray[np.int32]:
    """For each generated word of a bitext the given position that it is linked to, -1 for none."""
    bitext = chunks.bitext
    generated = bitext.source if direction.reverse else bitext.target
    links = np.full(max(1, len(generated.words)), -1, np.int32)
    nothing = np.empty(0, np.int64)

    def work(numbers: Sequence[int]) -> list[None]:
        for number in numbers:
            direction.run(chunks[number], nothing, nothing, links)
        return [None] * len(numbers)

    chunks.map(work)
    return links[: len(generated.words)]


def first_jumps() -> NDArray[np.float64]:
    """Jumps before any is counted: to the next position most often, and forward more than back."""
    distance = np.abs(np.arange(-MAX_JUMP, MAX_JUMP + 1) - 1)
    return normalize_jumps(np.maximum(0.5**distance, 1e-4))


def normalize_jumps(jumps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jumps that sum to 1, none of them impossible."""
    probabilities: NDArray[np.float64] = jumps / max(float(jumps.sum()), FLOOR)
    return np.maximum(probabilities, FLOOR)


def _learn_jumps(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """The jumps that raise the expected log-likelihood (Hunter 2004's algorithm for choices out of
    varying sets): how often each was made by how often it could have been."""
    made = statistics[hmm_loops.FIRST_JUMP_COUNT :][:NUM_JUMPS]
    chances = statistics[hmm_loops.FIRST_JUMP_CHANCE :][:NUM_JUMPS]
    return normalize_jumps(np.divide(made, chances, out=np.zeros(NUM_JUMPS), where=chances > 0))


def _learn_tension(tension: float, statistics: NDArray[np.float64]) -> float:
    """One step of Newton's method, not too long, between fast_align's bounds."""
    slope, curvature = statistics[position_loops.SLOPE], statistics[position_loops.CURVATURE]
    if curvature <= 0:
        return tension
    step = min(max(slope / curvature, -_LONGEST_TENSION_STEP), _LONGEST_TENSION_STEP)
    return float(min(max(tension + step, _LEAST_TENSION), _GREATEST_TENSION))
