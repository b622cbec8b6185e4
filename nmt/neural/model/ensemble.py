"""Several models that translate together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from torch import Tensor, nn

from nmt.neural.backends.onnx_model import OnnxTransformer
from nmt.neural.model.translation_model import AnyArchitecture, TranslationModel


class Ensemble(nn.Module):
    """Models of the same pieces, of whichever kinds, whose predictions are averaged.

    The probability of a piece is the mean of the members'; in search,
    `nmt.neural.search.ensemble_steps` computes it.
    """

    def __init__(self, members: Sequence[TranslationModel]) -> None:
        """Take the members: two at least, on one device."""
        super().__init__()
        self.members: tuple[TranslationModel, ...] = tuple(members)
        self._registered = nn.ModuleList(members)

    @property
    def output(self) -> Tensor:
        """The first member's output weights, to ask on which device the members are.

        There is no one matrix that the predictions of all of them come from.
        """
        return self.members[0].output

    @property
    def architecture(self) -> AnyArchitecture:
        """That of the member that takes the shortest sequences: it sets the limit for all."""
        shortest = min(self.members, key=lambda member: member.architecture.max_positions)
        return shortest.architecture


SearchedModel: TypeAlias = TranslationModel | Ensemble | OnnxTransformer
"""What can be searched: a model, ours or in ONNX Runtime, or several together."""
