"""Word alignment of a bitext: both directions, then symmetrisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nmt.statistical.alignment.cells import collect_cells
from nmt.statistical.alignment.directions import (
    Chunks,
    Direction,
    best_links,
    expect,
    first_jumps,
)
from nmt.statistical.alignment.gibbs import sample_hmms
from nmt.statistical.alignment.model import AlignmentModel
from nmt.statistical.alignment.position_loops import LOG_LIKELIHOOD
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.symmetrization import symmetrize
from nmt.statistical.sentences import Alignments, Bitext


def align_bitext(
    bitext: Bitext,
    settings: AlignmentSettings,
    *,
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    workers: int,
    report: Callable[[str], None],
) -> tuple[Alignments, AlignmentModel]:
    """Train an alignment model on sentence pairs and align them with it.

    Args:
        bitext: the pairs; where a side is empty, there are no links.
        settings: which model, how it is trained, and the symmetrisation.
        source_vocabulary_size: number of ids, that of the control symbols included.
        target_vocabulary_size: likewise.
        workers: threads; the result does not depend on them.
        report: called with a line on each round.
    """
    cells = collect_cells(bitext, source_vocabulary_size, target_vocabulary_size)
    chunks = Chunks(bitext, cells, workers)
    directions = [train_direction(chunks, settings, reverse, report) for reverse in (False, True)]
    if settings.model == "eflomal":
        sample_hmms(directions, chunks, settings, report)
    forward, backward = (best_links(direction, chunks) for direction in directions)
    source_offsets, target_offsets = bitext.source.offsets, bitext.target.offsets
    alignments = symmetrize(
        forward, backward, source_offsets, target_offsets, settings.symmetrization, workers
    )
    return alignments, AlignmentModel(cells, *directions)


def train_direction(
    chunks: Chunks, settings: AlignmentSettings, reverse: bool, report: Callable[[str], None]
) -> Direction:
    """Train one direction of a model by EM: that of the settings, or what it begins by."""
    by_position = settings.model != "ibm1"
    cells = chunks.cells
    num_generated = cells.num_generated(reverse=reverse)
    direction = Direction(
        reverse=reverse,
        lexical=np.full(len(cells.targets) + 1, 1 / num_generated, np.float32),
        null=np.full(num_generated, 1 / num_generated, np.float32),
        null_probability=settings.null_probability if by_position else -1.0,
        tension=settings.tension if by_position else 0.0,
    )
    rounds, first_jump_round = settings.iterations, None
    if settings.model == "eflomal":
        rounds = settings.first_iterations
    elif settings.model == "hmm":
        rounds += settings.first_iterations
        first_jump_round = settings.first_iterations
    num_words = len((chunks.bitext.source if reverse else chunks.bitext.target).words)
    for number in range(rounds):
        if number == first_jump_round:
            direction.jumps = first_jumps()
            direction.null_probability = settings.hmm_null_probability
        expected = expect(direction, chunks)
        perplexity = np.exp(-expected.statistics[LOG_LIKELIHOOD] / max(1, num_words))
        report(
            f"alignment, {'reverse' if reverse else 'forward'}: round {number + 1} of {rounds}, "
            f"perplexity {perplexity:,.1f}"
        )
        # At first, all words are equal, and so the tension would be learned from nothing.
        learn_tension = settings.learn_tension and by_position and number > 0
        direction.learn(expected, cells, settings.alpha, learn_tension=learn_tension)
    return direction
