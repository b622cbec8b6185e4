"""A training of a few hundredths of a second: a tiny model, and a validator that has a script."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from nmt.neural.model.architecture import Architecture
from nmt.neural.model.recurrent import Recurrent
from nmt.neural.model.recurrent_architecture import RecurrentArchitecture
from nmt.neural.model.transformer import Transformer
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.training.batches import BatchStream
from nmt.neural.training.distribution import Alone, Ranks
from nmt.neural.training.loop import Trainer
from nmt.neural.training.packing import BatchShape
from nmt.neural.training.progress import Reporter, SilentReporter
from nmt.neural.training.window import Clocks
from nmt.recipe.neural import TrainingSettings
from nmt.stopping import StopRequest

VOCABULARY = 40
NUM_PAIRS = 60

SETTINGS: dict[str, Any] = {
    "max_updates": 20, "warmup_updates": 4, "learning_rate": 0.01, "validate_every": 5,
    "log_every": 1, "validate_metric": "loss",
}  # fmt: skip


class ScriptedValidator:
    """Gives scores from a list, over and over, and counts what it was asked."""

    def __init__(self, losses: Sequence[float], bleus: Sequence[float]) -> None:
        self.losses = losses
        self.bleus = bleus
        self.validated = 0
        self.searched = 0

    def loss(self, translator: Any) -> tuple[float, float]:
        """The next loss; the likelihood is a tenth less."""
        self.validated += 1
        loss = self.losses[(self.validated - 1) % len(self.losses)]
        return loss, 0.9 * loss

    def scores(self, translator: Any) -> dict[str, float]:
        """The next BLEU."""
        self.searched += 1
        return {"bleu": self.bleus[(self.searched - 1) % len(self.bleus)], "chrf": 50.0}


class StopAfter(StopRequest):
    """A reason to stop after so many questions, or an interruption there."""

    def __init__(self, questions: int, *, kill: bool = False) -> None:
        self.left = questions
        self.kill = kill

    @property
    def reason(self) -> str | None:
        """Asked after every update."""
        self.left -= 1
        if self.left >= 0:
            return None
        if self.kill:
            raise KilledError
        return "enough"


class KilledError(BaseException):
    """Nobody catches it and saves something."""


class TickingClock:
    """Goes on by a fixed time at every look."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def make_trainer(
    folder: Path,
    *,
    losses: Sequence[float] = (3.0,),
    bleus: Sequence[float] = (10.0,),
    workers: int = 1,
    clocks: Clocks | None = None,
    save_seconds: float = 1e9,
    spoilt: int | None = None,
    micro_batches: int = 2,
    dropout: float = 0.1,
    dtype: torch.dtype = torch.float32,
    recurrent: bool = False,
    static: bool = False,
    wide: bool = False,
    room: int = 64,
    ranks: Ranks | None = None,
    **settings: Any,
) -> Trainer:
    """A trainer on random pairs; what comes of pair number ``spoilt`` is not a number.

    ``room`` is for positions of an update, of which a pair takes 2 to 10 on each side. With
    ``static`` updates go through the GPU's kernels on buffers of one shape; the model then is twice
    as wide, as it is with ``wide``.
    """
    ranks = ranks or Alone()
    torch.manual_seed(1)
    width, heads = (32, 1) if static or wide else (16, 2)
    shape = BatchShape(room, room, micro_batches, micro_pairs=room // 2 if static else None)
    shared: dict[str, Any] = {
        "encoder_layers": 1, "decoder_layers": 1, "width": width, "heads": heads,
        "dropout": dropout,
        "max_positions": 64, "tied_embeddings": "decoder", "source_vocabulary_size": VOCABULARY,
        "target_vocabulary_size": VOCABULARY,
    }  # fmt: skip
    model: TranslationModel
    if recurrent:
        model = Recurrent(RecurrentArchitecture(**shared, recurrent_dropout=dropout)).to(dtype)
    else:
        sizes = Architecture(**shared, feed_forward_width=24, embedding_dropout=dropout)
        model = Transformer(sizes).to(dtype)
        if spoilt is not None:
            with torch.no_grad():
                model.source_embedding.table.weight[VOCABULARY - 1] = torch.nan
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 10, NUM_PAIRS)
    rows = [rng.integers(4, VOCABULARY - 1, length) for length in lengths]
    if spoilt is not None:
        rows[spoilt] = np.array([VOCABULARY - 1])
    stream = BatchStream(
        lambda pairs, _: ([rows[i] for i in pairs], [rows[i] for i in pairs]),
        np.zeros(NUM_PAIRS, int), (1.0,), shape, seed=1, rank=ranks.rank, num_ranks=ranks.size,
        vocabulary_sizes=(VOCABULARY, VOCABULARY),
    )  # fmt: skip
    translator: Any = SimpleNamespace(model=copy.deepcopy(model).requires_grad_(False))
    validator: Any = ScriptedValidator(losses, bleus)
    return Trainer(
        model, translator, stream, validator, TrainingSettings.model_validate(SETTINGS | settings),
        folder, workers=workers, inputs={"seed": 1},
        show_pairs=lambda pairs: [(f"source {i}", f"target {i}") for i in pairs],
        ranks=ranks, clocks=clocks, save_seconds=save_seconds,
    )  # fmt: skip


def train(trainer: Trainer, stop: StopRequest | None = None) -> str:
    """Continue from the last checkpoint and train to a limit; returns which."""
    trainer.restore(lambda inputs, counters: None)
    console = Console(file=io.StringIO())
    update = trainer.counters.update
    with (
        Reporter(trainer.folder, trainer.settings, console, update=update)
        if trainer.leads
        else SilentReporter()
    ) as reporter:
        try:
            return trainer.train(reporter, stop or StopRequest())
        finally:
            trainer.close()


def finish(trainer: Trainer) -> tuple[dict[str, float], str]:
    """The scores of the final model, and what was said about it."""
    out = io.StringIO()
    with Reporter(trainer.folder, trainer.settings, Console(file=out, width=200)) as reporter:
        scores = trainer.finish(reporter)
    return scores, out.getvalue()


def state(trainer: Trainer) -> dict[str, Tensor]:
    """A copy of everything that training goes on from."""
    return {name: tensor.clone() for name, tensor in trainer.optimizer.state().items()}


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> Iterator[str]:
    """Names of tensors that are not equal bit for bit."""
    assert one.keys() == other.keys()
    return (name for name in one if not torch.equal(one[name], other[name]))
