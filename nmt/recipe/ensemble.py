"""Settings of an ensemble: systems of the same recipe that translate together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from nmt.recipe.neural import SearchSettings
from nmt.settings import Contradiction, Name, Settings


class EnsembleSettings(Settings):
    """Other neural systems of the recipe, whose predictions are averaged piece by piece."""

    kind: Literal["ensemble"]
    """Systems that translate together."""
    members: list[Name] = Field(min_length=2)
    """Their names: neural systems of this recipe, trained before it wherever they stand."""
    search: SearchSettings = SearchSettings()
    """How they translate together unless the command says otherwise."""

    def contradictions(self) -> Iterable[Contradiction]:
        """A member that is named twice."""
        for index, name in enumerate(self.members):
            if name in self.members[:index]:
                yield Contradiction(
                    f"{name} is a member already: a second time would only make it weigh more",
                    (f"members.{index}",),
                    "name other systems, such as the same one with another training.seed",
                )
