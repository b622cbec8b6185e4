"""What a caller may ask of any system's search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypedDict

from nmt.errors import UserError, UserErrors
from nmt.glossary import Glossary


@dataclass(frozen=True, slots=True)
class Sampling:
    """Draw each piece at random from the model's distribution; nothing is searched."""

    temperature: float = 1.0
    """Divides the logits: below 1 nearer to the best, above 1 more varied."""
    top_k: int | None = None
    """Draw from the so many likeliest pieces only (Fan et al. 2018)."""
    top_p: float | None = None
    """Draw from the likeliest pieces that hold this probability (Holtzman et al. 2020)."""
    seed: int = 1
    """Seed of the random numbers."""

    def __post_init__(self) -> None:
        _check(
            ("temperature", self.temperature, 0 < self.temperature < math.inf, "above 0"),
            ("top_k", self.top_k, self.top_k is None or self.top_k >= 1, "at least 1"),
            ("top_p", self.top_p, self.top_p is None or 0 < self.top_p <= 1, "in (0, 1]"),
            ("seed", self.seed, self.seed >= 0, "at least 0"),
        )


@dataclass(frozen=True, slots=True)
class MinimumRisk:
    """Of many candidates, give the one that is most like all the others (`nmt.minimum_risk`)."""

    utility: Literal["bleu", "chrf"] = "bleu"
    """What is meant by like: sentence BLEU or chrF."""
    candidates: int = 100
    """Candidates of each segment: its best translations, or samples if sampling is asked for."""
    scale: float = 1.0
    """What scores are multiplied by to become log-probabilities; 0: all candidates count alike."""

    def __post_init__(self) -> None:
        _check(
            ("candidates", self.candidates, self.candidates >= 2, "at least 2"),
            ("scale", self.scale, 0 <= self.scale < math.inf, "at least 0"),
        )


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What a caller may ask of any system's search; None leaves the model's own setting.

    Raises UserError for values that no search can use.
    """

    beam: int | None = None
    """Hypotheses kept (stack size in a statistical system)."""
    nbest: int = 1
    """Hypotheses returned for each line; a beam given must be as wide."""
    batch_tokens: int | None = None
    """Source positions that a core searches at once, padding included."""
    length_penalty: float | None = None
    """Exponent of the length normalisation."""
    sampling: Sampling | None = None
    """Draw hypotheses instead of searching for the best."""
    minimum_risk: MinimumRisk | None = None
    """Choose among many candidates by minimum Bayes risk."""
    explain: bool = False
    """Say of each hypothesis how it came about."""
    glossary: Glossary | None = None
    """Terms that translations must, and must not, have in them; of neural systems only."""
    shortlist: bool | None = None
    """Whether a neural system's beam search is held to the pieces of its shortlist."""

    def __post_init__(self) -> None:
        beam, batch_tokens, penalty = self.beam, self.batch_tokens, self.length_penalty
        _check(
            ("beam", beam, beam is None or beam >= 1, "at least 1"),
            ("nbest", self.nbest, self.nbest >= 1, "at least 1"),
            ("batch_tokens", batch_tokens, batch_tokens is None or batch_tokens >= 1, "at least 1"),
            ("length_penalty", penalty, penalty is None or 0 <= penalty < math.inf, "at least 0"),
        )
        wanted = self.nbest if self.minimum_risk is None else self.minimum_risk.candidates
        if beam is not None and self.sampling is not None:
            raise UserError(
                "a beam is what a search keeps, and samples are not searched",
                mend="ask for one of them only",
            )
        if beam is not None and wanted > beam:
            raise UserError(
                f"a beam of {beam} cannot give the {wanted} best",
                mend=f"ask for {beam} at most, or for a beam of at least {wanted}",
            )
        if self.glossary and self.sampling is not None:
            raise UserError(
                "terms of a glossary are searched for, and samples are not searched",
                mend="ask for one of them only",
            )
        if self.minimum_risk is not None and self.nbest > 1:
            raise UserError(
                "minimum Bayes risk chooses one of its candidates, and nbest asks for several",
                mend="ask for one of them only",
            )


class SearchKeywords(TypedDict, total=False):
    """The fields of `SearchOptions`, as keyword arguments."""

    beam: int | None
    nbest: int
    batch_tokens: int | None
    length_penalty: float | None
    sampling: Sampling | None
    minimum_risk: MinimumRisk | None
    explain: bool
    glossary: Glossary | None
    shortlist: bool | None


def _check(*conditions: tuple[str, object, bool, str]) -> None:
    """Raise UserErrors for the options (name, value, is it good, what is) that are not good."""
    errors = [
        UserError(f"{name} must be {what}, not {value}")
        for name, value, good, what in conditions
        if not good
    ]
    if errors:
        raise UserErrors(errors)
