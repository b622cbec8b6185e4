"""Recipes: typed settings read from YAML, with every problem reported at once."""

from nmt.recipe.ensemble import EnsembleSettings
from nmt.recipe.find import shipped_recipes
from nmt.recipe.neural import SearchSettings, TrainingSettings
from nmt.recipe.phrase_based import PhraseBasedSettings
from nmt.recipe.read import read_recipe
from nmt.recipe.recurrent import RecurrentSearchSettings, RecurrentSettings
from nmt.recipe.systems import NeuralSettings, SystemSettings
from nmt.recipe.transformer import TransformerSettings
from nmt.recipe.tree import EvaluationSettings, Recipe
from nmt.recipe.word_by_word import WordByWordSearchSettings, WordByWordSettings

__all__ = [
    "EnsembleSettings",
    "EvaluationSettings",
    "NeuralSettings",
    "PhraseBasedSettings",
    "Recipe",
    "RecurrentSearchSettings",
    "RecurrentSettings",
    "SearchSettings",
    "SystemSettings",
    "TrainingSettings",
    "TransformerSettings",
    "WordByWordSearchSettings",
    "WordByWordSettings",
    "read_recipe",
    "shipped_recipes",
]
