"""Checkpoints: one file each, replaced in one move, so that a kill leaves the old or the new one.

``last.safetensors`` holds everything that training needs to go on exactly: weights, the optimiser's
moments, the moving average, and as metadata the counters and the position in the data. There are no
random states to save: every random choice follows from the seed and the counters.
``best/UPDATE.safetensors`` hold weights alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from nmt.errors import UserError
from nmt.files import replacing_file
from nmt.neural.training.batches import Position


@dataclass(slots=True)
class Best:
    """A kept checkpoint and what it scored on the validation set."""

    update: int
    value: float
    """The score that ranks it; higher is better."""
    scores: dict[str, float]
    """Loss, BLEU and chrF."""

    @property
    def rank(self) -> tuple[float, float]:
        """What to sort by: of two with the same score, such as a BLEU of 0, the loss decides."""
        return self.value, -self.scores["loss"]


@dataclass(slots=True)
class Counters:
    """Where training stands."""

    update: int = 0
    """Updates done."""
    validated: int = 0
    """The update that was validated last."""
    epochs: float = 0.0
    """Passes over the data that are done."""
    target_pieces: int = 0
    """Target pieces seen, repeats counted."""
    position: Position = field(default_factory=Position)
    """The next update's place in the data."""
    seconds: float = 0.0
    """Wall-clock time spent in training and validation."""
    cpu_seconds: float = 0.0
    """Processor time of the same, all cores and ranks summed."""
    best: list[Best] = field(default_factory=list)
    """Kept checkpoints, best first."""
    validations_since_best: int = 0
    """Validations since the best one."""
    loss_scale: float = 1.0
    """Factor on the loss, above 1 in float16 only."""
    updates_at_scale: int = 0
    """Updates without overflow since it was last changed."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Counters:
        """The inverse of ``to_json``."""
        position = Position(**value["position"])
        best = [Best(**one) for one in value["best"]]
        return cls(**{**value, "position": position, "best": best})


class Checkpoints:
    """The checkpoints of one training, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / "last.safetensors"

    def best_path(self, update: int) -> Path:
        """Where the weights of a kept update are."""
        return self.folder / "best" / f"{update:08d}.safetensors"

    def save(self, counters: Counters, tensors: dict[str, Tensor], inputs: dict[str, Any]) -> None:
        """Write the last checkpoint, then drop best ones that it does not name.

        ``inputs`` is what the training depends on, kept for whoever continues it. Raises UserError
        if it cannot be written; the one before is then still there.
        """
        metadata = {"counters": json.dumps(counters.to_json()), "inputs": json.dumps(inputs)}
        with replacing_file(self.last) as path:
            _save(tensors, path, metadata)
        self._drop_all_best_but(counters)

    def save_best(self, update: int, weights: dict[str, Tensor]) -> None:
        """Write the weights of an update that is worth keeping; raises as ``save`` does."""
        with replacing_file(self.best_path(update)) as path:
            _save(weights, path)

    def load(self) -> tuple[Counters, dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint as (counters, tensors, inputs), or None if there is none.

        Clears away what a kill left half written. Raises UserError if it cannot be read.
        """
        for half_written in self.folder.rglob(".*.safetensors.*"):
            half_written.unlink(missing_ok=True)
        if not self.last.exists():
            return None
        try:
            with safetensors.safe_open(self.last, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            counters = Counters.from_json(json.loads(metadata["counters"]))
            inputs: dict[str, Any] = json.loads(metadata["inputs"])
        except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise _unreadable(self.last, error) from error
        self._drop_all_best_but(counters)
        return counters, tensors, inputs

    def average(self, updates: Sequence[int]) -> dict[str, Tensor]:
        """The mean of the weights of several kept updates; raises UserError if one is missing."""
        total: dict[str, Tensor] = {}
        for update in updates:
            path = self.best_path(update)
            try:
                weights = safetensors.torch.load_file(path)
            except (safetensors.SafetensorError, OSError) as error:
                raise _unreadable(path, error) from error
            for name, tensor in weights.items():
                total[name] = total[name] + tensor.double() if name in total else tensor.double()
        return {name: (tensor / len(updates)).float() for name, tensor in total.items()}

    def _drop_all_best_but(self, counters: Counters) -> None:
        kept = {self.best_path(best.update) for best in counters.best}
        for path in (self.folder / "best").glob("*.safetensors"):
            if path not in kept:
                path.unlink(missing_ok=True)


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"cannot be read as a checkpoint: {error}",
        where=str(path),
        mend="nmt-train --fresh forgets this training and begins anew",
    )


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        safetensors.torch.save_file(on_host, path, metadata=metadata)
    except safetensors.SafetensorError as error:
        # Its message holds the operating system's; a full disk is the usual one.
        raise OSError(None, str(error), str(path)) from error
