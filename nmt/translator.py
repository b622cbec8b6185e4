"""What every system gives: raw text in, translations out, one for each line, in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One output of a system's search for one segment."""

    text: str
    """Detokenised text."""
    score: float
    """The score by which the search ranked it; higher is better."""


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What a caller may ask of any system's search; None leaves the model's own setting."""

    beam: int | None = None
    """Hypotheses kept (stack size in a statistical system)."""
    nbest: int = 1
    """Hypotheses returned for each line."""
    batch_tokens: int | None = None
    """Source positions searched at once."""
    length_penalty: float | None = None
    """Exponent of the length normalisation."""
    extra: dict[str, float] = field(default_factory=dict)
    """Options of one kind of system only, such as ``temperature``."""


class Translator(ABC):
    """A loaded model. Systems implement the abstract methods; everything else is shared."""

    source_language: str
    target_language: str

    @property
    @abstractmethod
    def max_segment_pieces(self) -> int:
        """Longest segment that one search takes, in the units of ``count_pieces``."""

    @abstractmethod
    def count_pieces(self, segments: Sequence[str]) -> list[int]:
        """Length of each segment in the system's own pieces."""

    @abstractmethod
    def search(self, segments: Sequence[str], options: SearchOptions) -> list[list[Hypothesis]]:
        """Translate non-blank segments, none over the limit: n-best lists, best first, in order."""
