"""What cleaning did to a corpus, to be printed and to be stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from nmt.corpus.cleaning import Drop


@dataclass(frozen=True)
class SourceReport:
    """What cleaning did to one source of training pairs."""

    name: str
    """Files or data set."""
    read: int
    """Pairs that the source holds."""
    dropped: dict[str, int]
    """Pairs dropped, by reason."""

    @property
    def kept(self) -> int:
        """Pairs left for training."""
        return self.read - sum(self.dropped.values())


@dataclass(frozen=True)
class CleaningReport:
    """What cleaning did to the training pairs, and which held-out sentences are among them."""

    sources: tuple[SourceReport, ...]
    """One entry for each source of training pairs, in the order of the recipe."""
    overlap: dict[str, int]
    """Training pairs with a source or target sentence of each held-out set, before any dropping."""
    overlap_dropped: bool
    """Whether these pairs were dropped."""

    @property
    def read(self) -> int:
        """Pairs read from all sources."""
        return sum(source.read for source in self.sources)

    @property
    def kept(self) -> int:
        """Pairs left for training."""
        return sum(source.kept for source in self.sources)

    @property
    def dropped(self) -> dict[str, int]:
        """Pairs dropped from all sources, by reason, in the order in which they are looked for."""
        total: Counter[str] = Counter()
        for source in self.sources:
            total.update(source.dropped)
        return {reason.value: total[reason.value] for reason in Drop if total[reason.value]}

    def warnings(self) -> list[str]:
        """A sentence for each held-out set of which training pairs know sentences."""
        done = "dropped" if self.overlap_dropped else "kept (test_overlap: drop would drop them)"
        return [
            f"{count:,} training pairs have a sentence of the {name} set on the same side: {done}"
            for name, count in self.overlap.items()
            if count
        ]

    def as_json(self) -> dict[str, Any]:
        """A JSON value from which ``from_json`` makes an equal report."""
        totals = {"read": self.read, "kept": self.kept, "dropped": self.dropped}
        return {**totals, **asdict(self)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> CleaningReport:
        """The report of which ``value`` was made."""
        return cls(
            tuple(SourceReport(**source) for source in value["sources"]),
            value["overlap"],
            value["overlap_dropped"],
        )

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.dropped.items())
        line = f"{self.kept:,} of {self.read:,} training pairs kept"
        return "\n".join([f"{line}; dropped: {reasons}" if reasons else line, *self.warnings()])
