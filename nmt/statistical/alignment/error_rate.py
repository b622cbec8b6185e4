"""How far alignments are from what people linked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from nmt.statistical.alignment.pharaoh import GoldAlignment, Link


@dataclass(frozen=True)
class AlignmentScores:
    """Scores over all sentence pairs; shares, from 0 to 1."""

    error_rate: float
    precision: float
    recall: float


def alignment_error_rate(
    alignments: Iterable[Collection[Link]], golds: Sequence[GoldAlignment]
) -> AlignmentScores:
    """The alignment error rate of Och and Ney (2003), with its precision and recall.

    With links A, sure links S and possible links P (S within P), summed over the sentence pairs:
    precision = |A & P| / |A|, recall = |A & S| / |S|, and
    AER = 1 - (|A & S| + |A & P|) / (|A| + |S|). An empty denominator leaves nothing wrong.
    """
    num_links = num_sure = num_links_sure = num_links_possible = 0
    for found, gold in zip(alignments, golds, strict=True):
        links = set(found)
        num_links += len(links)
        num_sure += len(gold.sure)
        num_links_sure += len(links & gold.sure)
        num_links_possible += len(links & gold.possible)
    everything = num_links + num_sure
    return AlignmentScores(
        1 - (num_links_sure + num_links_possible) / everything if everything else 0.0,
        num_links_possible / num_links if num_links else 1.0,
        num_links_sure / num_sure if num_sure else 1.0,
    )
