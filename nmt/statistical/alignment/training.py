"""Word alignment of a bitext: EM in both directions, then symmetrisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nmt.statistical.alignment.cells import Cells, collect_cells
from nmt.statistical.alignment.directions import Chunks, Direction, expect, first_jumps
from nmt.statistical.alignment.model import AlignmentModel
from nmt.statistical.alignment.position_loops import LOG_LIKELIHOOD
from nmt.statistical.alignment.settings import AlignmentSettings
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
    directions = [
        _train(chunks, cells, settings, num_generated, reverse, report)
        for reverse, num_generated in (
            (False, target_vocabulary_size),
            (True, source_vocabulary_size),
        )
    ]
    model = AlignmentModel(cells, *directions)
    return model.align_chunks(chunks, settings.symmetrization), model


def _train(
    chunks: Chunks,
    cells: Cells,
    settings: AlignmentSettings,
    num_generated: int,
    reverse: bool,
    report: Callable[[str], None],
) -> Direction:
    num_tokens = len((chunks.bitext.source if reverse else chunks.bitext.target).words)
    owners = cells.targets if reverse else cells.sources()
    num_owners = cells.num_target_words if reverse else len(cells.offsets) - 1
    by_position = settings.model != "ibm1"
    direction = Direction(
        reverse=reverse,
        lexical=np.ones(len(cells.targets) + 1, np.float32),
        null=np.ones(num_generated, np.float32),
        null_probability=settings.null_probability if by_position else -1.0,
        tension=settings.tension if by_position else 0.0,
    )
    first_rounds = settings.first_iterations if settings.model == "hmm" else 0
    for number in range(first_rounds + settings.iterations):
        if settings.model == "hmm" and number == first_rounds:
            direction.jumps = first_jumps()
        counts, null_counts, statistics = expect(direction, chunks)
        perplexity = np.exp(-statistics[LOG_LIKELIHOOD] / max(1, num_tokens))
        report(
            f"alignment, {'reverse' if reverse else 'forward'}, round {number + 1} of "
            f"{first_rounds + settings.iterations}: perplexity {perplexity:,.1f} before it"
        )
        learn_tension = settings.learn_tension and by_position and number > 0
        direction.learn(
            counts, null_counts, statistics, owners, num_owners, settings.alpha, learn_tension
        )
    return direction
