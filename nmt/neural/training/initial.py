"""Training that starts from a model instead of random weights: fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nmt.errors import UserError
from nmt.model_folder import ModelFolder, open_model_folder
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.system import TOKENIZER
from nmt.neural.weights import WEIGHTS, load_weights
from nmt.recipe import NeuralSettings, Recipe
from nmt.recipe.transformer import TransformerSettings
from nmt.tokenization import TokenizerPair

_OF_TRAINING = (
    "dropout", "attention_dropout", "activation_dropout", "embedding_dropout",
    "encoder_layer_drop", "decoder_layer_drop",
)  # fmt: skip
"""Settings of an architecture that say nothing of what the model computes when it translates."""


@dataclass(frozen=True)
class InitialModel:
    """The model that a training starts from."""

    folder: ModelFolder
    architecture: Architecture
    """Its own, but with the dropout that the recipe sets."""
    tokenizers: TokenizerPair

    def fill(self, model: TranslationModel) -> None:
        """Copy the weights. Raises UserError if they are damaged."""
        load_weights(model, self.folder.file(WEIGHTS))


def open_initial_model(recipe: Recipe, system: NeuralSettings) -> InitialModel | None:
    """The model that the system's settings name, or none.

    Raises UserError for a folder that is no Transformer's, or of a model of other languages.
    """
    if not isinstance(system, TransformerSettings) or system.initial_model is None:
        return None
    folder = open_model_folder(system.initial_model)
    where = str(folder.path)
    if folder.kind != "transformer":
        raise UserError(
            f"a Transformer cannot start from a system of kind {folder.kind}", where=where
        )
    for side in ("source", "target"):
        code, own = getattr(folder, f"{side}_language"), getattr(recipe.corpus, f"{side}_language")
        if code != own:
            raise UserError(
                f"the model's {side} language is {code}, the corpus' is {own}",
                where=where,
                mend="take a model of the same languages, or write the codes in the same way",
            )
    architecture = Architecture.from_json(folder.settings.get("architecture"), where=where)
    chosen = {name: getattr(system, name) for name in _OF_TRAINING}
    if chosen["embedding_dropout"] is None:
        chosen["embedding_dropout"] = system.dropout
    return InitialModel(
        folder,
        replace(architecture, **chosen),
        TokenizerPair.load(folder.path / TOKENIZER),
    )
