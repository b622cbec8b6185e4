"""What comes out of a search: hypotheses for segments, and the translations of whole lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from nmt.segmentation import Cut, Segment, join_segments


class Explanation(Protocol):
    """How the translation of a segment came about; ``str`` gives it as text."""

    def to_json(self) -> dict[str, Any]:
        """The same as values for JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One output of a system's search for one segment, or the joined ones of a line."""

    text: str
    """Detokenised text."""
    score: float
    """The score by which the search ranked it; higher is better."""
    num_pieces: int = 0
    """Length in the system's own pieces, for the log; 0 where the system does not count."""
    explanations: tuple[Explanation, ...] = ()
    """How it came about, if asked for: one for each segment of the line."""


@dataclass(frozen=True, slots=True)
class Translation:
    """The translation of one line."""

    alternatives: tuple[Hypothesis, ...]
    """The n-best list: never empty, best first, at most as many as were asked for.

    For a line that was searched in several segments these are the best combinations of the
    segments' own n-best lists.
    """
    num_source_pieces: int = 0
    """Length of the line in the system's own pieces; 0 for a blank line."""

    @property
    def text(self) -> str:
        """The best translation: one line, without any character that ends lines."""
        return self.alternatives[0].text

    @property
    def score(self) -> float:
        """The score of the best translation; for a line of several segments, the sum of theirs."""
        return self.alternatives[0].score


@dataclass(frozen=True, slots=True)
class Line:
    """A line to translate whose translation is to begin in a given way."""

    text: str
    prefix: str = ""
    """How its translation begins; it may end within a word."""


_Chain: TypeAlias = "tuple[_Chain | None, Hypothesis]"
"""A hypothesis for a segment, after those for the segments before."""


def assemble(
    segments: Sequence[Segment],
    found: Sequence[Sequence[Hypothesis]],
    language: str,
    nbest: int,
) -> Translation:
    """The translation of a line from the n-best lists of its segments."""
    if not segments:
        return Translation((Hypothesis("", 0.0),))
    num_source_pieces = sum(segment.num_pieces for segment in segments)
    if len(segments) == 1:
        return Translation(tuple(found[0]), num_source_pieces)
    cuts = [segment.cut for segment in segments[:-1]]
    joined = (_join(parts, cuts, language) for parts in best_combinations(found, nbest))
    return Translation(tuple(joined), num_source_pieces)


def _join(parts: Sequence[Hypothesis], cuts: Sequence[Cut], language: str) -> Hypothesis:
    return Hypothesis(
        text=join_segments([part.text for part in parts], cuts, language),
        score=sum(part.score for part in parts),
        num_pieces=sum(part.num_pieces for part in parts),
        explanations=tuple(one for part in parts for one in part.explanations),
    )


def best_combinations(
    nbest_lists: Sequence[Sequence[Hypothesis]], nbest: int
) -> list[tuple[Hypothesis, ...]]:
    """The ``nbest`` choices of one hypothesis a list with the highest sums of scores, best first.

    Each list is sorted, best first. Lists are joined one after another; the i-th and j-th best of
    two lists can be among the n best of their combinations only if i * j <= n.
    """
    scores = [0.0]
    # Choices are chains of (choice for the lists before, hypothesis), to share what they share.
    chains: list[_Chain | None] = [None]
    for hypotheses in nbest_lists:
        pairs = [
            (scores[i] + hypothesis.score, (chains[i], hypothesis))
            for i in range(len(scores))
            for hypothesis in hypotheses[: nbest // (i + 1)]
        ]
        pairs.sort(key=lambda pair: -pair[0])  # stable: among equals, the earlier choice
        scores = [score for score, _ in pairs[:nbest]]
        chains = [chain for _, chain in pairs[:nbest]]
    return [_unchain(chain) for chain in chains]


def _unchain(chain: _Chain | None) -> tuple[Hypothesis, ...]:
    hypotheses: list[Hypothesis] = []
    while chain is not None:
        chain, hypothesis = chain
        hypotheses.append(hypothesis)
    return tuple(reversed(hypotheses))
