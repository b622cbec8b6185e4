"""The settings that a training depends on, as they are kept with its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import ValidationError

from nmt.model_folder import ModelFolder
from nmt.recipe import Recipe, SystemSettings

_INDIFFERENT: Final = {
    "training": {"log_every", "tensorboard", "micro_batch_tokens", "sharding"},
}
"""Settings of a system that may change at any time: updates are the same.

The number of micro-batches chooses the dropout masks, as the number of cores does through it.
"""


_OF_SEARCH: Final = {"shortlist.safetensors", "model.json"}
"""Files of a network, or of an ensemble's members, that say how it searches; not what it is."""
_WEIGHTS: Final = "model.safetensors"


def hashes_of_teacher(model: ModelFolder) -> dict[str, str]:
    """What a pupil depends on of its teacher: all but how that searches.

    A teacher that gets a shortlist is the same one to those who have learned from it.
    """
    return _of_networks(model.content_hashes)


def hash_of_weights(model: ModelFolder) -> str | None:
    """Of a model that a training starts from; None if it has no weights to start from."""
    return model.content_hashes.get(_WEIGHTS)


def _of_networks(hashes: Mapping[str, str]) -> dict[str, str]:
    return {name: one for name, one in hashes.items() if PurePosixPath(name).name not in _OF_SEARCH}


def settings_of(system: SystemSettings) -> dict[str, Any]:
    """The settings of a system that its result depends on, as JSON values."""
    return system.model_dump(mode="json", exclude=_INDIFFERENT)


def with_new_settings(inputs: Mapping[str, Any], recipe: Recipe, name: str) -> dict[str, Any]:
    """Inputs that an earlier version of this program wrote, in the words of this one.

    Settings that did not exist then get their defaults, which leave everything as it was. Inputs
    that are not settings of this kind of system come back as they are.

    Args:
        inputs: what the training of a system depended on.
        recipe: the recipe that it is compared with.
        name: the system.
    """
    try:
        system = type(recipe.systems[name]).model_validate(inputs["systems"][name])
        updated = {**inputs, "systems": {name: settings_of(system)}}
        if "tokenizer" in inputs:
            tokenizer = type(recipe.tokenizer).model_validate(inputs["tokenizer"])
            updated["tokenizer"] = tokenizer.model_dump(mode="json")
        if "teacher" in inputs:
            updated["teacher"] = {
                name: _of_networks(hashes) for name, hashes in inputs["teacher"].items()
            }
        if "tokenizers" in inputs:
            updated["tokenizers"] = inputs["tokenizers"][:12]  # the whole hash was kept once
    except (AttributeError, KeyError, TypeError, ValidationError):
        return dict(inputs)
    return updated
