"""Alignment by Gibbs sampling, and a model for new text from what was sampled.

Östling and Tiedemann (2016) show that a Bayesian HMM with fertilities aligns better than EM does.
Their eflomal starts from random links and needs many sweeps through three models; here links start
from fast_align's, so a few sweeps of the last model do. Several independent chains are run. The
probabilities by which they draw their last links are expected counts, as an E-step gives them, and
the HMM estimated from these aligns the bitext, and new text.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.statistical.alignment.directions import (
    Chunk,
    Chunks,
    Counts,
    Direction,
    best_links,
    normalize_jumps,
)
from nmt.statistical.alignment.gibbs_loops import (
    LONGEST_JUMP,
    NUM_FERTILITIES,
    add_priors,
    count_links,
    count_sums,
    estimate_fertilities,
    sweep,
)
from nmt.statistical.alignment.hmm_loops import MAX_JUMP
from nmt.statistical.alignment.settings import AlignmentSettings

_NO_SUMS: Final = np.empty(0, np.float32)


class Chain:
    """The state of one sampler of one direction: the links of all words, and counts of them."""

    def __init__(
        self,
        chunks: Chunks,
        first: Direction,
        links: NDArray[np.int32],
        settings: AlignmentSettings,
        number: int,
    ) -> None:
        """Begin with ``links``: the given position of each generated word, -1 for none."""
        self.chunks = chunks
        self.reverse = first.reverse
        self.settings = settings
        self.links = links.copy()
        self.random = np.array([_chain_seed(settings.seed, number, first.reverse)], np.uint64)
        num_generated = len(first.null)
        num_given = chunks.cells.num_given(reverse=first.reverse)
        self._cell_counts = np.zeros(len(first.lexical), np.int32)
        self._null_counts = np.zeros(num_generated, np.int32)
        self._totals = np.zeros(num_given + 1, np.float64)
        self.jumps = np.zeros(2 * LONGEST_JUMP + 2, np.float64)
        self._ratios = np.empty((num_given, NUM_FERTILITIES), np.float64)
        for chunk in chunks:
            given, generated = chunk.sides(self.reverse)
            count_links(
                given.words, given.offsets, generated.words, generated.offsets,
                chunk.first, chunk.last, chunk.slots, self.reverse, self.links,
                self._cell_counts, self._null_counts, self._totals, self.jumps,
            )  # fmt: skip
        add_priors(self._totals, self.jumps, settings.sampling_alpha, num_generated)

    def learn_fertilities(self) -> None:
        """Estimate how many links each word has from the links as they are."""
        bitext = self.chunks.bitext
        given, generated = bitext.source, bitext.target
        if self.reverse:
            given, generated = generated, given
        estimate_fertilities(
            given.words, given.offsets, generated.offsets, self.links, self._ratios
        )

    def sweep(
        self,
        chunk: Chunk,
        sums: NDArray[np.float32] = _NO_SUMS,
        null_sums: NDArray[np.float32] = _NO_SUMS,
    ) -> None:
        """Draw all links of a chunk anew; see the loop of this name."""
        given, generated = chunk.sides(self.reverse)
        sweep(
            given.words, given.offsets, generated.words, generated.offsets,
            chunk.first, chunk.last, chunk.slots, self.reverse, self.links,
            self._cell_counts, self._null_counts, self._totals, self.jumps, self._ratios,
            self.settings.sampling_alpha, self.settings.null_prior, self.random, sums, null_sums,
        )  # fmt: skip

    def run(self) -> None:
        """All sweeps but the last."""
        for _ in range(self.settings.sweeps):
            self.learn_fertilities()
            for chunk in self.chunks:
                self.sweep(chunk)
        self.learn_fertilities()


def sample_hmms(
    directions: list[Direction],
    chunks: Chunks,
    settings: AlignmentSettings,
    report: Callable[[str], None],
) -> None:
    """Make directions that EM has trained HMMs with the parameters of what is sampled.

    These are translation probabilities, jumps, and the share of words without link. The HMMs then
    link words at least as well as the sampled probabilities themselves, and new text likewise.
    """
    chains = [
        [Chain(chunks, direction, links, settings, number) for number in range(settings.chains)]
        for direction, links in (
            (direction, best_links(direction, chunks)) for direction in directions
        )
    ]
    report(f"alignment: {settings.chains} chains in each direction, {settings.sweeps + 1} sweeps")
    with ThreadPoolExecutor(max(1, chunks.workers)) as threads:
        list(threads.map(Chain.run, [chain for some in chains for chain in some]))
        for direction, some in zip(directions, chains, strict=True):
            counts = np.zeros(len(direction.lexical), np.int64)
            null_counts = np.zeros(len(direction.null), np.int64)
            for chunk in chunks:
                _, generated = chunk.sides(direction.reverse)
                begin = int(generated.offsets[chunk.first])
                for sums, null_sums in threads.map(_last_sweep, some, [chunk] * len(some)):
                    count_sums(
                        generated.words, begin, chunk.slots, sums, null_sums, counts, null_counts
                    )
            _become_hmm(direction, some, counts, null_counts)


def _last_sweep(chain: Chain, chunk: Chunk) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The probabilities by which a chain draws the links of a chunk, and those of no link."""
    _, generated = chunk.sides(chain.reverse)
    sums = np.zeros(len(chunk.slots), np.float32)
    null_sums = np.zeros(
        int(generated.offsets[chunk.last] - generated.offsets[chunk.first]), np.float32
    )
    chain.sweep(chunk, sums, null_sums)
    return sums, null_sums


def _become_hmm(
    direction: Direction, chains: list[Chain], counts: Counts, null_counts: Counts
) -> None:
    """Take the parameters of what was sampled, given expected counts summed over the chains."""
    linked, not_linked = int(counts.sum()), int(null_counts.sum())
    if linked + not_linked == 0:  # an empty bitext
        return
    chunks, settings = chains[0].chunks, chains[0].settings
    direction.null_probability = not_linked / (linked + not_linked)
    counts //= len(chains)
    null_counts //= len(chains)
    direction.learn_words(counts, null_counts, chunks.cells, settings.alpha)
    jumps = np.sum([chain.jumps for chain in chains], axis=0)
    direction.jumps = normalize_jumps(jumps[LONGEST_JUMP - MAX_JUMP : LONGEST_JUMP + MAX_JUMP + 1])


def _chain_seed(seed: int, number: int, reverse: bool) -> int:
    """A state of the generator for each chain, far from those of the others."""
    return (seed * 0x9E3779B97F4A7C15 + (2 * number + reverse) * 0xD1B54A32D192ED03) % 2**64
