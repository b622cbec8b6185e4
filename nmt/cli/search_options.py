"""Options of ``nmt-translate`` that say how to search, and where to compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.search_options import MinimumRisk, Sampling

_SEARCH = "Search"
_SAMPLING = "Sampling"
_RISK = "Minimum Bayes risk"

BeamOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Hypotheses kept at each step; 1 is greedy search.",
        show_default="the model's",
        rich_help_panel=_SEARCH,
    ),
]
NbestOption: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Translations given for each line.", rich_help_panel=_SEARCH)
]
ShortlistOption: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--shortlist/--no-shortlist",
        help="Search among the pieces that are likely for each line only, which is quicker; "
        "for models that learned which (search.shortlist).",
        show_default="the model's",
        rich_help_panel=_SEARCH,
    ),
]
LengthPenaltyOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Exponent of the length normalisation; more gives longer output.",
        show_default="the model's",
        rich_help_panel=_SEARCH,
    ),
]
BatchTokensOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Source positions that a core searches at once.",
        show_default="the model's",
        rich_help_panel=_SEARCH,
    ),
]
SampleOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--sample",
        help="Draw translations at random instead of searching for the best.",
        rich_help_panel=_SAMPLING,
    ),
]
TemperatureOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Below 1 nearer to the best, above 1 more varied.",
        show_default="1",
        rich_help_panel=_SAMPLING,
    ),
]
TopKOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        help="Draw from the so many likeliest pieces only.",
        show_default="all",
        rich_help_panel=_SAMPLING,
    ),
]
TopPOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Draw from the likeliest pieces that hold this probability.",
        show_default="1",
        rich_help_panel=_SAMPLING,
    ),
]
SeedOption: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Seed of the random numbers.", show_default="1", rich_help_panel=_SAMPLING),
]
MinimumRiskOption: TypeAlias = Annotated[
    Literal["bleu", "chrf"] | None,
    typer.Option(
        help="Of many candidates, give the one that is most like all others by this metric.",
        show_default="off",
        rich_help_panel=_RISK,
    ),
]
CandidatesOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=2,
        help="So many of the best translations, or of the samples.",
        show_default="100",
        rich_help_panel=_RISK,
    ),
]
DeviceOption: TypeAlias = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where to compute; auto takes the GPU if there is one."),
]
BackendOption: TypeAlias = Annotated[
    Literal["auto", "native", "ctranslate2", "onnx"],
    typer.Option(
        help="Which program computes; auto takes the quickest that is installed and can do "
        "what is asked for."
    ),
]
PrecisionOption: TypeAlias = Annotated[
    Literal["float32", "bfloat16", "float16", "int16", "int8"] | None,
    typer.Option(
        help="In what to compute: int8 on the processor and bfloat16 or float16 on a GPU are "
        "quicker, and round the weights.",
        show_default="as the model is kept",
    ),
]


def sampling(
    sample: bool,
    *,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    seed: int | None,
) -> Sampling | None:
    """How to draw, or None to search; raises UserError for what says how where nothing is drawn."""
    from nmt.search_options import Sampling

    asked: dict[str, Any] = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
    }  # fmt: skip
    given = {name: value for name, value in asked.items() if value is not None}
    if given and not sample:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UserError(f"{options} without --sample has no effect", mend="add --sample")
    return Sampling(**given) if sample else None


def minimum_risk(
    utility: Literal["bleu", "chrf"] | None, candidates: int | None
) -> MinimumRisk | None:
    """What to choose candidates by, if at all."""
    from nmt.search_options import MinimumRisk

    if utility is None:
        if candidates is not None:
            raise UserError("--candidates has no effect", mend="add --minimum-risk bleu")
        return None
    return MinimumRisk(utility, candidates or 100)
