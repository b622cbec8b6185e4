"""Checkpoints: one file each, replaced in one move, so that a kill leaves the old one or the new one.

``training/last.safetensors`` holds everything that training needs to go on exactly: weights, the
optimiser's moments, the moving average, and as metadata the counters and the position in the data.
There are no random states to save: every random choice follows from the seed and the counters.
``training/best/UPDATE.safetensors`` hold weights alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from nmt.errors import UserError
from nmt.files import replacing_file
from nmt.neural.training.batches import Position


@dataclass(slots=True)
class Best:
    """A kept checkpoint and what it scored on the validation set."""

    update: int
    value: float


@dataclass(slots=True)
class Counters:
    """Where training stands."""

    update: int = 0
    """Updates done."""
    target_pieces: int = 0
    """Target pieces seen, repeats counted."""
    position: Position = field(default_factory=Position)
    """The next update's place in the data."""
    seconds: float = 0.0
    """Wall-clock time spent in training and validation."""
    cpu_seconds: float = 0.0
    """Processor time of the same, all cores summed."""
    best: list[Best] = field(default_factory=list)
    """Kept checkpoints, best first."""
    validations_since_best: int = 0
    """Validations since the best one."""
    loss_scale: float = 1.0
    """Factor on the loss in float16."""

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

    @property
    def _last(self) -> Path:
        return self.folder / "last.safetensors"

    def best_path(self, update: int) -> Path:
        """Where the weights of a kept update are."""
        return self.folder / "best" / f"{update:08d}.safetensors"

    def save(self, counters: Counters, tensors: dict[str, Tensor], inputs: dict[str, Any]) -> None:
        """Write the last checkpoint, then drop best ones that it does not name."""
        metadata = {"counters": json.dumps(counters.to_json()), "inputs": json.dumps(inputs)}
        with replacing_file(self._last) as path:
            _save(tensors, path, metadata)
        self._prune(counters)

    def save_best(self, update: int, weights: dict[str, Tensor]) -> None:
        """Write the weights of an update that is worth keeping."""
        with replacing_file(self.best_path(update)) as path:
            _save(weights, path)

    def load(self) -> tuple[Counters, dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint as (counters, tensors, inputs), or None if there is none.

        Raises UserError if it cannot be read.
        """
        if not self._last.exists():
            return None
        try:
            with safetensors.safe_open(self._last, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            counters = Counters.from_json(json.loads(metadata["counters"]))
            inputs: dict[str, Any] = json.loads(metadata["inputs"])
        except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
            raise UserError(
                f"cannot be read as a checkpoint: {error}",
                where=str(self._last),
                mend="start again with --fresh",
            ) from error
        self._prune(counters)
        return counters, tensors, inputs

    def average(self, updates: list[int]) -> dict[str, Tensor]:
        """The mean of the weights of several kept updates."""
        total: dict[str, Tensor] = {}
        for update in updates:
            for name, tensor in safetensors.torch.load_file(self.best_path(update)).items():
                total[name] = total[name] + tensor.double() if name in total else tensor.double()
        return {name: (tensor / len(updates)).float() for name, tensor in total.items()}

    def _prune(self, counters: Counters) -> None:
        kept = {self.best_path(best.update) for best in counters.best}
        for path in (self.folder / "best").glob("*.safetensors"):
            if path not in kept:
                path.unlink(missing_ok=True)


def _save(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        safetensors.torch.save_file(on_host, path, metadata=metadata)
    except safetensors.SafetensorError as error:
        # Its message holds the operating system's; a full disk is the usual one.
        raise OSError(None, str(error), str(path)) from error


