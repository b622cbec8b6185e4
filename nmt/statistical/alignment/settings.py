"""The settings of word alignment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nmt.settings import Settings

ModelName = Literal["ibm1", "fast-align", "hmm", "eflomal"]
Symmetrization = Literal[
    "intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"
]


class AlignmentSettings(Settings):
    """How words of a sentence pair are linked.

    fast_align's settings are the published ones. The others were chosen on the alignment error rate
    of 228 German-English and 447 English-French sentence pairs (``scripts/bench_alignment.py``),
    each trained on some 10,000 to 20,000: more sweeps or chains than these no longer show, a
    tenfold ``sampling_alpha`` costs 0.3 points, a hundredfold 2, and a ``hmm_null_probability`` of
    fast_align's 0.08 costs 5.
    """

    model: ModelName = "eflomal"
    """Alignment model."""
    symmetrization: Symmetrization = "grow-diag-final-and"
    """How the links of both directions are put together."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 5
    """Rounds of EM, ibm1, fast-align and hmm."""
    first_iterations: Annotated[int, Field(ge=1, le=100)] = 3
    """Rounds of fast-align by which hmm and eflomal begin."""
    null_probability: Annotated[float, Field(ge=0, lt=1)] = 0.08
    """Probability that a word has no link, fast-align."""
    hmm_null_probability: Annotated[float, Field(ge=0, lt=1)] = 0.4
    """Probability that a word has no link, hmm."""
    alpha: Annotated[float, Field(ge=0)] = 0.01
    """Concentration of the Dirichlet prior of translation probabilities in EM; 0 for none."""
    tension: Annotated[float, Field(ge=0)] = 4.0
    """How much fast-align favours the diagonal at first."""
    learn_tension: bool = True
    """Whether fast-align learns the tension."""
    sweeps: Annotated[int, Field(ge=1, le=10_000)] = 5
    """How many times eflomal draws every link before the last, which counts."""
    chains: Annotated[int, Field(ge=1, le=100)] = 4
    """Independent samplers whose probabilities eflomal averages."""
    sampling_alpha: Annotated[float, Field(gt=0)] = 0.0001
    """Concentration of eflomal's Dirichlet priors of translation probabilities."""
    null_prior: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How probable eflomal takes it to be that a word has no link."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Seed of eflomal's draws."""
