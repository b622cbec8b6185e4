"""How good the model is on the validation set: its loss, and the score of what it translates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch

from nmt.corpus.text import TextPairs
from nmt.corpus.tokenized import TokenizedBitext
from nmt.errors import UserError
from nmt.evaluation.scorer import Scorer
from nmt.neural.kernels.cross_entropy import smoothed_cross_entropy
from nmt.neural.packed import PackedBatch, pack_batch
from nmt.neural.system import NeuralTranslator
from nmt.neural.training.distribution import Alone, Ranks
from nmt.neural.training.packing import BatchShape, choose_room, pack_pairs
from nmt.recipe.neural import TrainingSettings

_Item = TypeVar("_Item")


class Validator:
    """Scores a model on the same sentences again and again.

    Several ranks share the sentences out; all get the scores, as one rank would.
    """

    def __init__(
        self,
        pairs: TextPairs,
        tokenized: TokenizedBitext,
        settings: TrainingSettings,
        shape: BatchShape,
        *,
        max_positions: int,
        bleu_tokenizer: str,
        lowercase: bool,
        ranks: Ranks | None = None,
    ) -> None:
        """Pack the sentences of the loss, and analyse the references of the scores.

        Args:
            pairs: the validation set; the first ``validate_max_pairs`` of it are used.
            tokenized: the same in pieces.
            settings: how the model is trained.
            shape: of the training's updates; batches here are like its micro-batches.
            max_positions: longest sentence that the model takes. Longer ones have no part in the
                loss; for the scores they are translated as any long line, in segments.
            bleu_tokenizer: sacreBLEU's name of the tokenizer inside BLEU.
            lowercase: score without regard to case.
            ranks: those that score together; this one alone unless given.

        Raises UserError if no pair is short enough.
        """
        count = min(len(pairs), settings.validate_max_pairs or len(pairs))
        self._ranks = ranks or Alone()
        self._smoothing = settings.label_smoothing
        self._sources = pairs.source[:count]
        self._scorer = Scorer(
            [pairs.target[:count]], ["bleu", "chrf"], tokenizer=bleu_tokenizer, lowercase=lowercase
        )
        source_lengths = tokenized.source.lengths[:count].astype(np.int64) + 1
        target_lengths = tokenized.target.lengths[:count].astype(np.int64) + 1
        fits = np.flatnonzero(np.maximum(source_lengths, target_lengths) <= max_positions)
        if not len(fits):
            raise UserError(
                f"all validation pairs are longer than {max_positions} pieces",
                mend="raise max_positions of the system",
            )
        source_lengths, target_lengths = source_lengths[fits], target_lengths[fits]
        source_room = max(shape.micro_source_positions, int(source_lengths.max()))
        target_room = max(shape.micro_target_positions, int(target_lengths.max()))
        self._batches = [
            pack_batch(
                [tokenized.source[i] for i in fits[batch]],
                [tokenized.target[i] for i in fits[batch]],
                choose_room(source_lengths[batch].sum(), source_room),
                choose_room(target_lengths[batch].sum(), target_room),
            )
            for batch in pack_pairs(source_lengths, target_lengths, source_room, target_room)
        ]

    def loss(self, translator: NeuralTranslator) -> tuple[float, float]:
        """Smoothed cross-entropy and negative log-likelihood a target piece, without dropout."""
        model = translator.model

        # The mode belongs to the thread, so it is set in the workers.
        @torch.inference_mode()
        def batch_sums(batch: PackedBatch) -> tuple[float, float]:
            batch = batch.to(model.output.device)
            loss, nll = smoothed_cross_entropy(
                model(batch), model.output, batch.labels_T, self._smoothing
            )
            return float(loss), float(nll)

        sums = self._shared_out(self._batches, lambda own: translator.map_parallel(batch_sums, own))
        pieces = sum(batch.num_target_pieces for batch in self._batches)
        return sum(loss for loss, _ in sums) / pieces, sum(nll for _, nll in sums) / pieces

    def scores(self, translator: NeuralTranslator) -> dict[str, float]:
        """BLEU and chrF of the model's translations of the source text."""
        hypotheses = self._shared_out(
            self._sources, lambda own: [one.text for one in translator.translate(own)]
        )
        return {str(name): value for name, value in self._scorer.scores(hypotheses).items()}

    def _shared_out(
        self, items: Sequence[_Item], work: Callable[[Sequence[_Item]], Sequence[Any]]
    ) -> list[Any]:
        """What becomes of each item, in their order, each rank working on its own."""
        rank, size = self._ranks.rank, self._ranks.size
        shares = self._ranks.meet(work(items[rank::size]))
        return [shares[i % size][i // size] for i in range(len(items))]
