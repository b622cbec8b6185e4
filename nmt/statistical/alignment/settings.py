"""The settings of word alignment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Settings

ModelName = Literal["ibm1", "fast-align", "hmm"]
Symmetrization = Literal[
    "intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"
]


class AlignmentSettings(Settings):
    """How words of a sentence pair are linked."""

    model: ModelName = "fast-align"
    """Alignment model."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 5
    """Rounds of EM."""
    first_iterations: Annotated[int, Field(ge=0, le=100)] = 3
    """Rounds of fast-align before those of the HMM."""
    symmetrization: Symmetrization = "grow-diag-final-and"
    """How the links of both directions are put together."""
    null_probability: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Probability that a word has no link, fast-align and HMM."""
    alpha: Annotated[float, Field(ge=0)] = 0.01
    """Concentration of the Dirichlet prior of translation probabilities; 0 for none."""
    tension: Annotated[float, Field(ge=0)] = 4.0
    """How much fast-align favours the diagonal at first."""
    learn_tension: bool = True
    """Whether fast-align learns the tension."""
