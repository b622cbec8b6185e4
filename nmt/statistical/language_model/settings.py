"""Settings of a language model."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field, PositiveInt

from nmt.settings import Contradiction, Settings


class LanguageModelSettings(Settings):
    """An n-gram model with interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998)."""

    order: int = Field(default=5, ge=1, le=6)
    """Words of the longest n-grams."""
    min_count: tuple[PositiveInt, ...] = Field(default=(1,), min_length=1, max_length=6)
    """Occurrences that an n-gram needs to be kept, for each length; the last holds beyond it."""
    discount_fallback: tuple[float, float, float] = (0.5, 1.0, 1.5)
    """Discounts of counts 1, 2 and 3 or more where the text is too small to estimate them."""
    memory: int = Field(default=1 << 30, ge=1 << 12)
    """Bytes that counting may hold; what is beyond goes to temporary files."""

    def contradictions(self) -> Iterable[Contradiction]:
        """Counts that would keep an n-gram but not the words it begins with, and the like."""
        if list(self.min_count) != sorted(self.min_count):
            yield Contradiction(
                "long n-grams would be kept of which the short ones inside are not",
                ("min_count",),
                "let the counts stay or grow from each length to the next",
            )
        if len(self.min_count) > self.order:
            yield Contradiction(
                f"there are {len(self.min_count)} counts for the n-grams of {self.order} lengths",
                ("min_count", "order"),
                "leave out the last counts, or raise the order",
            )
        if any(
            not 0 < discount <= count
            for count, discount in enumerate(self.discount_fallback, start=1)
        ):
            yield Contradiction(
                "a discount is not above zero, or above the count it is taken from",
                ("discount_fallback",),
                "take three numbers above zero: the first at most 1, the second 2, the third 3",
            )

    def kept(self, length: int) -> int:
        """The occurrences that an n-gram of this many words needs."""
        return self.min_count[min(length, len(self.min_count)) - 1]


class ClassModelSettings(Settings):
    """An n-gram model of word classes beside that of words (Brown et al. 1992; Och 1999)."""

    num_classes: int | None = Field(default=200, ge=2, le=2000)
    """Classes that the target words are sorted into; null: no such model."""
    order: int = Field(default=4, ge=2, le=6)
    """Words of the longest n-grams."""
