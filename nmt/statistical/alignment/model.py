"""A trained alignment model: both directions' tables; saved, opened, applied to new pairs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.statistical.alignment.cells import Cells
from nmt.statistical.alignment.directions import Chunks, Direction, best_links
from nmt.statistical.alignment.hmm_loops import NUM_JUMPS
from nmt.statistical.alignment.settings import Symmetrization
from nmt.statistical.alignment.symmetrization import one_direction, symmetrize
from nmt.statistical.sentences import Alignments, Bitext

FORMAT_VERSION: Final = 1
FACTS_FILE: Final = "alignment.json"
"""The file by which a model is known."""
_NAMES: Final = ("forward", "reverse")


@dataclass(frozen=True)
class TranslationTable:
    """p(target word | source word), sparse: the words that a source word was seen with."""

    offsets: NDArray[np.int64]
    """[source words + 1] Where the target words of each source word begin."""
    targets: NDArray[np.int32]
    """Target words, in order for each source word."""
    probabilities: NDArray[np.float32]
    """p(target | source); those of a source word sum to 1."""


@dataclass(frozen=True)
class AlignmentModel:
    """Both directions over the same cells; made by `align_bitext`."""

    cells: Cells
    forward: Direction
    """Target words given source words."""
    reverse: Direction
    """Source words given target words."""

    def align(
        self, bitext: Bitext, symmetrization: Symmetrization, *, workers: int = 1
    ) -> Alignments:
        """Links of sentence pairs, of the training or new.

        Words are linked by position where the model does not know them.
        """
        chunks = Chunks(bitext, self.cells, workers)
        return symmetrize(
            best_links(self.forward, chunks), best_links(self.reverse, chunks),
            bitext.source.offsets, bitext.target.offsets, symmetrization, workers,
        )  # fmt: skip

    def align_one_direction(self, bitext: Bitext, *, reverse: bool, workers: int = 1) -> Alignments:
        """Links of one direction: each target word has at most one, in reverse each source word."""
        direction = self.reverse if reverse else self.forward
        links = best_links(direction, Chunks(bitext, self.cells, workers))
        return one_direction(links, bitext.source.offsets, bitext.target.offsets, reverse=reverse)

    def translation_table(self) -> TranslationTable:
        """The forward direction's p(target word | source word)."""
        weights = self.forward.lexical[:-1].astype(np.float64)
        sources = self.cells.owners(reverse=False)
        totals = np.bincount(sources, weights, minlength=self.cells.num_source_words)
        probabilities = (weights / totals[sources]).astype(np.float32)
        return TranslationTable(self.cells.offsets, self.cells.targets, probabilities)

    def save(self, folder: Path) -> None:
        """Write ``alignment.json`` and ``.npy`` files into a folder that is there."""
        directions: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {
            "cells.offsets": self.cells.offsets, "cells.targets": self.cells.targets
        }  # fmt: skip
        for name, direction in zip(_NAMES, (self.forward, self.reverse), strict=True):
            arrays[f"{name}.lexical"] = direction.lexical
            arrays[f"{name}.null"] = direction.null
            if direction.jumps is not None:
                arrays[f"{name}.jumps"] = direction.jumps
            directions[name] = {
                "null_probability": direction.null_probability,
                "tension": direction.tension,
                "jumps": direction.jumps is not None,
            }
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        facts = {
            "format_version": FORMAT_VERSION,
            "num_source_words": self.cells.num_source_words,
            "num_target_words": self.cells.num_target_words,
            "num_cells": len(self.cells.targets),
            "directions": directions,
        }
        text = json.dumps(facts, indent=2)
        (folder / FACTS_FILE).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> AlignmentModel:
        """Read what ``save`` wrote.

        Raises UserError if that is not there, damaged or of a later version.
        """
        try:
            facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
            if facts["format_version"] != FORMAT_VERSION:
                raise UserError(
                    f"an alignment model of format {facts['format_version']}; "
                    f"this program reads format {FORMAT_VERSION}",
                    where=str(folder),
                    mend="train it again, or take the version of the program that wrote it",
                )
            num_cells, num_rows = facts["num_cells"], facts["num_source_words"]
            num_generated = (facts["num_target_words"], facts["num_source_words"])
            offsets = _read(folder, "cells.offsets", np.int64, num_rows + 1)
            targets = _read(folder, "cells.targets", np.int32, num_cells)
            if offsets[0] != 0 or offsets[-1] != num_cells or (np.diff(offsets) < 0).any():
                raise ValueError("cells.offsets.npy does not fit cells.targets.npy")
            if num_cells and not 0 <= targets.min() <= targets.max() < num_generated[0]:
                raise ValueError("cells.targets.npy has words beyond the vocabulary")
            directions = [
                Direction(
                    reverse=name == "reverse",
                    lexical=_read(folder, f"{name}.lexical", np.float32, num_cells + 1),
                    null=_read(folder, f"{name}.null", np.float32, size),
                    null_probability=float(facts["directions"][name]["null_probability"]),
                    tension=float(facts["directions"][name]["tension"]),
                    jumps=_read(folder, f"{name}.jumps", np.float64, NUM_JUMPS)
                    if facts["directions"][name]["jumps"]
                    else None,
                )
                for name, size in zip(_NAMES, num_generated, strict=True)
            ]
        except FileNotFoundError as error:
            missing = Path(error.filename).name
            raise UserError(
                f"not an alignment model: there is no {missing}",
                where=str(folder),
                mend="name a folder that nmt-align --save-model wrote",
            ) from error
        except (ValueError, KeyError, TypeError, EOFError) as error:
            raise UserError(
                f"damaged alignment model: {error}", where=str(folder), mend="train it again"
            ) from error
        return cls(Cells(offsets, targets, num_generated[0]), *directions)


def _read(folder: Path, name: str, dtype: type[np.generic], length: int) -> NDArray[Any]:
    """An array, which must be of this type and length; in memory, as compiled loops know it."""
    array: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False)
    if array.dtype != dtype or array.shape != (length,):
        raise ValueError(f"{name}.npy holds {array.dtype}{list(array.shape)}")
    return array
