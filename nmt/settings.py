"""The base of every settings class: typed, frozen, documented, and strict about unknown keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""A name of the user's choice that becomes part of paths: of folders, and of settings."""


@dataclass(frozen=True)
class Contradiction:
    """Settings that are right one by one but cannot hold together."""

    what: str
    """What does not fit, in words."""
    settings: tuple[str, ...]
    """The settings involved, as dotted paths from the group that reports it."""
    mend: str | None = None
    """How to mend it, in words."""


class ContradictionsError(ValueError):
    """Raised in validation with all contradictions of one group."""

    def __init__(self, contradictions: list[Contradiction]) -> None:
        self.contradictions = contradictions
        super().__init__(
            "; ".join(f"{c.what} ({c.mend})" if c.mend else c.what for c in contradictions)
        )


class Settings(BaseModel):
    """A group of settings; each field's one-line docstring is its documentation."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
    )

    def contradictions(self) -> Iterable[Contradiction]:
        """Contradictions among the settings of this group and those below it; to be overridden."""
        return ()

    @model_validator(mode="after")
    def _check_contradictions(self) -> Self:
        found = list(self.contradictions())
        if found:
            raise ContradictionsError(found)
        return self
