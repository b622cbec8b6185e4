"""An ensemble says what the mean of its members' probabilities says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from nmt.neural.explanation.forced import forced_decoding
from nmt.neural.model.ensemble import Ensemble
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.search.beam import beam_search
from nmt.neural.search.sampling import sample
from nmt.neural.search.steps import begin_steps
from nmt.recipe.neural import SearchSettings
from nmt.search_options import Sampling
from nmt.tokenization.protocol import BOS_ID
from tests.neural.models import (
    log_probability,
    make_model,
    make_recurrent,
    next_log_probabilities,
    random_rows,
)


def members() -> list[TranslationModel]:
    """Of different kinds and sizes."""
    return [
        make_model(seed=1, dtype=torch.float64, sharpness=2.0),
        make_recurrent(seed=2, dtype=torch.float64, sharpness=2.0),
        make_model(seed=3, dtype=torch.float64, sharpness=2.0, width=24, decoder_layers=1),
    ]


def expected_log_probability(
    ensemble: Ensemble, source: np.ndarray, pieces: Sequence[int]
) -> float:
    """The log-probability of a whole output, everything computed anew."""
    log_p_MTV = torch.stack(
        [next_log_probabilities(member, source, pieces) for member in ensemble.members]
    )
    log_p_TV = log_p_MTV.exp().mean(dim=0).log()
    said = [*pieces, 2]
    return float(sum(log_p_TV[step, piece] for step, piece in enumerate(said)))


@pytest.mark.parametrize("drawn", [False, True], ids=["beam", "sample"])
def test_log_probabilities_are_of_the_mean(drawn: bool) -> None:
    ensemble = Ensemble(members())
    sources = random_rows([4, 1, 9, 30])
    settings = SearchSettings(beam=4, length_penalty=0.7, coverage_penalty=0.2)
    found = (
        sample(ensemble, sources, settings, Sampling(), count=2)
        if drawn
        else beam_search(ensemble, sources, settings, nbest=2)
    )
    for source, hypotheses in zip(sources, found, strict=True):
        for one in hypotheses:
            expected = expected_log_probability(ensemble, source, one.pieces)
            assert one.log_probability == pytest.approx(expected, abs=1e-9)


def test_forced_decoding_says_the_same() -> None:
    """And attends as its members do in the mean."""
    ensemble = Ensemble(members())
    sources, targets = random_rows([4, 1, 9]), [[5, 7], [], [9, 9, 9, 8]]
    decoded = forced_decoding(ensemble, sources, targets)
    alone = [forced_decoding(member, sources, targets) for member in ensemble.members]
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        expected = expected_log_probability(ensemble, source, target)
        assert decoded[number].log_probability_T.sum() == pytest.approx(expected, abs=1e-9)
        np.testing.assert_allclose(
            decoded[number].attention_TS, sum(one[number].attention_TS for one in alone) / 3
        )


@pytest.mark.parametrize("make", [make_model, make_recurrent])
def test_a_model_with_itself_is_the_model(make: Callable[..., TranslationModel]) -> None:
    """The attention, which the coverage penalty uses, included."""
    model = make(dtype=torch.float64, sharpness=2.0)
    sources = random_rows([4, 1, 9, 2])
    settings = SearchSettings(coverage_penalty=0.3)
    alone = beam_search(model, sources, settings, nbest=3)
    together = beam_search(Ensemble([model, model]), sources, settings, nbest=3)
    for one, other in zip(alone, together, strict=True):
        assert [found.pieces for found in one] == [found.pieces for found in other]
        assert [found.score for found in one] == pytest.approx([found.score for found in other])


def test_the_best_of_an_ensemble_may_be_nobodys_best() -> None:
    """It is not a choice among its members' outputs, nor is it their first's."""
    ensemble = Ensemble(members())
    sources = random_rows([7] * 30)
    settings = SearchSettings(max_length_extra=4)
    together = beam_search(ensemble, sources, settings)
    alone = [beam_search(member, sources, settings) for member in ensemble.members]
    new = [
        all(one[number][0].pieces != found[0].pieces for one in alone)
        for number, found in enumerate(together)
    ]
    assert any(new)
    for source, found, first in zip(sources, together, alone[0], strict=True):
        theirs = expected_log_probability(ensemble, source, first[0].pieces)
        ours = found[0].log_probability
        lengths = [(6 + len(one[0].pieces)) / 6 for one in (found, first)]
        # A beam of 5 may miss the best, but not by much on average; here it never does.
        assert ours / lengths[0] >= theirs / lengths[1] - 1e-9


def test_its_shortest_member_sets_the_limit() -> None:
    short = make_model(max_positions=10, positions="learned")
    ensemble = Ensemble([make_model(), short])
    assert ensemble.architecture.max_positions == 10
    (found,) = beam_search(ensemble, random_rows([9]), SearchSettings(max_length_ratio=50.0))
    assert len(found[0].pieces) < 10


@torch.inference_mode()
def test_logits_are_log_probabilities() -> None:
    ensemble = Ensemble(members())
    steps = begin_steps(ensemble, random_rows([3, 5]), beam=2)
    rows = np.array([BOS_ID] * 2), np.array([-1, -1]), np.array([0, 1])
    logits, attention = steps.advance(*rows, weights=True)
    torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert attention is not None
    torch.testing.assert_close(attention.sum(dim=1), torch.ones(2, dtype=torch.float64))


def test_log_probability_of_one_member_is_not_the_ensembles() -> None:
    """So that the tests above can fail."""
    ensemble = Ensemble(members())
    source = random_rows([4])[0]
    ours = expected_log_probability(ensemble, source, [5, 6])
    assert abs(ours - log_probability(ensemble.members[0], source, [5, 6])) > 0.01
