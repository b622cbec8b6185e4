"""Recipes: typed settings read from YAML, with every problem reported at once."""

from nmt.recipe.systems import SearchSettings, SystemSettings, TrainingSettings, TransformerSettings
from nmt.recipe.tree import EvaluationSettings, Recipe

__all__ = [
    "EvaluationSettings",
    "Recipe",
    "SearchSettings",
    "SystemSettings",
    "TrainingSettings",
    "TransformerSettings",
]
