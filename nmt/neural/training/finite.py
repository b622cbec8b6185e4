"""Looking for losses and gradients that are not finite, without a GPU waiting at every update."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.files import replacing_file
from nmt.neural.training.batches import Update
from nmt.neural.training.checkpoint import Counters
from nmt.neural.training.loss_scale import LARGEST as LARGEST_LOSS_SCALE
from nmt.neural.training.loss_scale import PATIENCE as UPDATES_AT_SCALE
from nmt.neural.training.loss_scale import SMALLEST as SMALLEST_LOSS_SCALE

ShowPairs = Callable[[np.ndarray], list[tuple[str, str]]]
"""Source and target text of sentence pairs by their numbers."""


class FiniteCheck:
    """Keeps updates until it is known that they were finite."""

    def __init__(
        self,
        folder: Path,
        show_pairs: ShowPairs,
        *,
        scales_loss: bool,
        note_scale: Callable[[Counters], None] | None = None,
    ) -> None:
        """Set up a check.

        Args:
            folder: where the pairs of an update that was not finite are written.
            show_pairs: gives their text.
            scales_loss: whether an overflow is answered by a smaller loss scale, as float16 needs.
            note_scale: asks a device that adapts the scale by itself.
        """
        self._folder = folder
        self._show_pairs = show_pairs
        self._scales_loss = scales_loss
        self._note_scale = note_scale
        self._unchecked: list[tuple[int, Update, Tensor, Tensor]] = []

    def add(self, number: int, update: Update, loss: Tensor, norm: Tensor) -> None:
        """Remember an update with its loss and its gradient's norm."""
        self._unchecked.append((number, update, loss, norm))

    def check(self, counters: Counters) -> None:
        """Look at what was added since the last time; waits for the device.

        With loss scaling this must be called after every update, which the optimiser skipped if its
        gradient overflowed, unless the device adapts the scale. Raises UserError for the first
        update that was not finite, with its sentence pairs saved.
        """
        unchecked, self._unchecked = self._unchecked, []
        if not unchecked:
            return
        losses = torch.stack([loss for _, _, loss, _ in unchecked])
        norms = torch.stack([norm for _, _, _, norm in unchecked])
        finite = (losses.isfinite() & norms.isfinite()).tolist()
        if self._scales_loss and self._rescaled(counters, all(finite)):
            return
        if not all(finite):
            number, update, _, _ = unchecked[finite.index(False)]
            raise self._explain(number, update)

    def _rescaled(self, counters: Counters, finite: bool) -> bool:
        """Bring the counters' loss scale up to date; False if it cannot be what is wrong."""
        if self._note_scale is None:
            return _rescale(counters, finite)
        self._note_scale(counters)
        return finite or counters.loss_scale >= SMALLEST_LOSS_SCALE

    def _explain(self, number: int, update: Update) -> UserError:
        path = self._folder / f"not-finite-{number}.jsonl"
        texts = self._show_pairs(update.pairs)
        with replacing_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for pair, (source, target) in zip(update.pairs.tolist(), texts, strict=True):
                entry = {"pair": pair, "source": source, "target": target}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return UserError(
            f"the loss of update {number} is not finite; its sentence pairs are in {path.name}",
            where=str(self._folder),
            mend="look for what is odd in them; or lower training.learning_rate, or raise "
            "training.warmup_updates, and begin anew with --fresh",
        )


def _rescale(counters: Counters, finite: bool) -> bool:
    """Adapt the loss scale to an update with or without overflow; False if it cannot be."""
    if not finite:
        counters.loss_scale /= 2
        counters.updates_at_scale = 0
        return counters.loss_scale >= SMALLEST_LOSS_SCALE
    counters.updates_at_scale += 1
    if counters.updates_at_scale >= UPDATES_AT_SCALE:
        counters.loss_scale = min(2 * counters.loss_scale, LARGEST_LOSS_SCALE)
        counters.updates_at_scale = 0
    return True
