"""What an import reads, whatever the format, and how vocabularies are put into our order."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.neural.marian_names import from_theirs
from nmt.neural.model.architecture import Architecture
from nmt.recipe.neural import SearchSettings
from nmt.tokenization.pair import TokenizerPair
from nmt.tokenization.protocol import BOS_ID, PAD_ID

NEVER: Final = -30.0
"""Bias of a piece that the imported model does not have: a probability of about 1e-13."""


@dataclass(frozen=True)
class ImportedModel:
    """A model from elsewhere in our terms."""

    architecture: Architecture
    weights: Mapping[str, Tensor]
    """Parameters under our names."""
    tokenizers: TokenizerPair
    search: SearchSettings
    languages: tuple[str | None, str | None]
    """Codes of source and target, as far as the files say."""


@dataclass(frozen=True)
class Order:
    """Which piece of the imported vocabulary each of our ids is."""

    theirs: tuple[int, ...]

    @classmethod
    def of(cls, vocabulary: Sequence[str], *, where: str, start: int | None) -> Order:
        """Control pieces first, as ours are.

        Args:
            vocabulary: pieces by their ids.
            where: the file that it is from, for messages.
            start: what the decoder starts with; none takes the padding, which Marian's start with.

        Raises UserError if a control piece is missing.
        """
        found = {}
        for name in ("<pad>", "</s>", "<unk>"):
            if name not in vocabulary:
                raise UserError(f"the vocabulary has no piece {name}", where=where)
            found[name] = vocabulary.index(name)
        pad = found["<pad>"]
        control = (pad, pad if start is None else start, found["</s>"], found["<unk>"])
        others = (piece for piece in range(len(vocabulary)) if piece not in control)
        return cls((*control, *others))

    def rows(self, tensor: Tensor) -> Tensor:
        """The rows of a table in our order."""
        return tensor.index_select(0, torch.tensor(self.theirs))

    def names(self, vocabulary: Sequence[str]) -> list[str]:
        """Pieces by our ids."""
        return [vocabulary[piece] for piece in self.theirs]

    def bias(self, bias_V: Tensor) -> Tensor:
        """An output bias in our order; a piece that is there twice is never said as the second."""
        ours_V = self.rows(bias_V)
        if self.theirs[PAD_ID] == self.theirs[BOS_ID]:
            ours_V[BOS_ID] = NEVER
        return ours_V


def in_our_terms(
    tensors: Mapping[str, Tensor], architecture: Architecture, *, where: str
) -> dict[str, Tensor]:
    """Weights under our names. Raises UserError, naming ``where``, if they are of other sizes."""
    try:
        return from_theirs(tensors, architecture)
    except (IndexError, RuntimeError) as error:
        raise UserError(
            f"the weights are not of the sizes that its configuration says: {error}", where=where
        ) from error


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises UserError if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError("this file is missing, and the model needs it", where=str(path)) from error
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", where=str(path)) from error


def read_json(path: Path) -> dict[str, Any]:
    """An object in a JSON file. Raises UserError if there is none."""
    try:
        value = json.loads(read_bytes(path))
    except ValueError as error:
        raise UserError(f"not JSON ({error})", where=str(path)) from error
    if not isinstance(value, dict):
        raise UserError("not a JSON object", where=str(path))
    return value
