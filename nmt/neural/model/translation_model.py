"""The models that there are: what training, validation and search take."""

from __future__ import annotations

from typing import Any, TypeAlias, assert_never

from nmt.neural.model import architecture as transformer
from nmt.neural.model import recurrent_architecture as recurrent
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.recurrent_architecture import RecurrentArchitecture
from nmt.neural.model.transformer import Transformer
from nmt.recipe.recurrent import RecurrentSettings
from nmt.recipe.systems import NeuralSettings
from nmt.recipe.transformer import TransformerSettings

AnyArchitecture: TypeAlias = Architecture | RecurrentArchitecture
"""The sizes of a model: in JSON, with its vocabularies and the longest sequence that it takes."""

TranslationModel: TypeAlias = Transformer | Recurrent
"""A model of any kind.

All have an ``architecture``, and turn a packed batch (and keys of dropout) into hidden states that,
multiplied by ``output``, predict its labels: training and validation need no more. For search,
`nmt.neural.search.steps` makes them go forward piece by piece.
"""


def design(
    settings: NeuralSettings, source_vocabulary_size: int, target_vocabulary_size: int
) -> AnyArchitecture:
    """The architecture that a recipe's settings describe.

    Raises UserError where they contradict each other once the preset is filled in.
    """
    match settings:
        case TransformerSettings():
            return transformer.design(settings, source_vocabulary_size, target_vocabulary_size)
        case RecurrentSettings():
            return recurrent.design(settings, source_vocabulary_size, target_vocabulary_size)


def read_architecture(kind: str, values: Any, *, where: str) -> AnyArchitecture:
    """The architecture of a system of this kind, from its JSON.

    Raises UserError, naming ``where``, for values that are none.
    """
    if kind == "recurrent":
        return RecurrentArchitecture.from_json(values, where=where)
    return Architecture.from_json(values, where=where)


def make_model(architecture: AnyArchitecture) -> TranslationModel:
    """A new model, its weights drawn at random."""
    match architecture:
        case Architecture():
            return Transformer(architecture)
        case RecurrentArchitecture():
            return Recurrent(architecture)
        case _:
            assert_never(architecture)
