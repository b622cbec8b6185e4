"""One decoder step for many hypotheses at once, whatever the model.

Shapes: R rows (hypotheses), V pieces, S source positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, assert_never

import numpy as np
from torch import Tensor

from nmt.neural.backends.onnx_model import OnnxTransformer
from nmt.neural.backends.onnx_steps import OnnxSteps
from nmt.neural.model.ensemble import Ensemble, SearchedModel
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.transformer import Transformer
from nmt.neural.search.ensemble_steps import EnsembleSteps
from nmt.neural.search.recurrent_steps import RecurrentSteps
from nmt.neural.search.shortlist import CandidateLists
from nmt.neural.search.transformer_steps import TransformerSteps


class Steps(Protocol):
    """The decoder's state over a batch of source sentences; rows need not be at the same step."""

    def advance(
        self,
        piece_R: np.ndarray,
        parent_R: np.ndarray,
        sentence_R: np.ndarray,
        *,
        weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Feed one piece to each row.

        Args:
            piece_R: the pieces, BOS where a row begins.
            parent_R: which row of the last call each row continues; -1 where it begins.
            sentence_R: which source sentence each row translates.
            weights: also return the attention to the source (in the last layer that attends).

        Returns:
            Logits of the next piece, [R, V], or, with candidate lists, of those on the list of
            the row's sentence, in its order and then -inf, [R, C], where the unknown piece
            stands for all that are not on the list, too; and, if asked for, the mean attention
            weights [R, longest source of these rows].
        """
        ...


def begin_steps(
    model: SearchedModel,
    sources: Sequence[np.ndarray],
    *,
    beam: int,
    lists: CandidateLists | None = None,
) -> Steps:
    """Encode the sources, and be ready for their first pieces.

    Args:
        model: the model.
        sources: pieces of each source sentence, without its end.
        beam: rows a sentence at most.
        lists: the only pieces to be predicted for each source; None predicts all. ONNX Runtime
            knows no lists.
    """
    match model:
        case Transformer():
            if model.step_graphs is not None:
                steps = model.step_graphs.begin(sources, beam=beam, lists=lists)
                if steps is not None:
                    return steps
            return TransformerSteps(model, sources, beam=beam, lists=lists)
        case Recurrent():
            return RecurrentSteps(model, sources, lists=lists)
        case Ensemble():
            return EnsembleSteps(
                [begin_steps(member, sources, beam=beam, lists=lists) for member in model.members]
            )
        case OnnxTransformer():
            assert lists is None
            return OnnxSteps(model, sources, beam=beam)
        case _:
            assert_never(model)
