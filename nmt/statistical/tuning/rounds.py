"""What a round of tuning gave, and the folder that keeps the rounds until tuning is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nmt.errors import UserError
from nmt.files import replacing_folder, write_json
from nmt.statistical.sentences import Sentences
from nmt.statistical.tuning.pool import HypothesisPool
from nmt.statistical.tuning.settings import TuningSettings

_VERSION: Final = 1
"""To be raised when the same input would give other weights."""


@dataclass(frozen=True)
class Round:
    """One round: the validation set was translated with weights, and better ones looked for."""

    number: int
    """From 1."""
    weights: tuple[float, ...]
    """Those that the validation set was translated with."""
    bleu: float
    """BLEU of that translation, on words as the system has them (not to be quoted)."""
    num_hypotheses: int
    """In all n-best lists so far, duplicates left out."""
    num_new: int
    """Those of this round that no earlier one had."""
    decode_seconds: float
    """Wall time of the translation."""
    tune_seconds: float
    """Wall time of all else."""
    next_weights: tuple[float, ...] | None
    """The weights found on the n-best lists; None after the last round."""
    next_bleu: float | None
    """BLEU on the n-best lists of the hypotheses that those rank best."""
    stopped: str | None = None
    """Why this round is the last, in words."""

    def __str__(self) -> str:
        lists = f"{self.num_hypotheses:,} hypotheses ({self.num_new:,} new)"
        seconds = f"{self.decode_seconds:.1f} s + {self.tune_seconds:.1f} s"
        ahead = f"; {self.next_bleu:.2f} on the lists" if self.next_bleu is not None else ""
        last = f"; {self.stopped}" if self.stopped else ""
        return f"round {self.number}: dev BLEU {self.bleu:.2f}; {lists}; {seconds}{ahead}{last}"


class TuningState:
    """A folder with a subfolder for each round, which appears when the round is complete."""

    def __init__(
        self,
        folder: Path,
        settings: TuningSettings,
        references: Sequence[Sentences],
        first_weights: NDArray[np.float64],
        frozen: Sequence[int],
    ) -> None:
        """Open the folder, or make it.

        Raises UserError if it is that of another tuning, or cannot be written.
        """
        self.folder = folder
        facts = {
            "version": _VERSION,
            "settings": settings.model_dump(),
            "references": [_hash_sentences(reference) for reference in references],
            "first_weights": first_weights.tolist(),
            "frozen": list(frozen),
        }
        path = folder / "tuning.json"
        if not path.exists():
            write_json(path, facts)
        elif json.loads(path.read_text(encoding="utf-8")) != facts:
            raise UserError(
                "this is the state of a tuning with other settings, weights or references",
                where=str(folder),
                mend="remove the folder, or choose another",
            )

    def load(self) -> list[tuple[Round, HypothesisPool]]:
        """The rounds that are complete, each with its own n-best list."""
        rounds: list[tuple[Round, HypothesisPool]] = []
        while (folder := self._folder_of(len(rounds) + 1)).exists():
            values = json.loads((folder / "round.json").read_text(encoding="utf-8"))
            for name in ("weights", "next_weights"):
                values[name] = None if values[name] is None else tuple(values[name])
            rounds.append((Round(**values), HypothesisPool.open(folder)))
        return rounds

    def save(self, done: Round, hypotheses: HypothesisPool) -> None:
        """Write a round and its n-best list."""
        with replacing_folder(self._folder_of(done.number)) as temporary:
            hypotheses.save(temporary)
            write_json(temporary / "round.json", asdict(done))

    def _folder_of(self, number: int) -> Path:
        return self.folder / f"round-{number:03}"


def _hash_sentences(sentences: Sentences) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(sentences.offsets).tobytes())
    digest.update(np.ascontiguousarray(sentences.words).tobytes())
    return digest.hexdigest()
