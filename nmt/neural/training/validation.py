"""How good the model is on the validation set: its loss, and the score of what it translates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nmt.corpus.text import TextPairs
from nmt.corpus.tokenized import TokenizedBitext
from nmt.evaluation.scorer import Scorer
from nmt.neural.kernels.cross_entropy import smoothed_cross_entropy
from nmt.neural.packed import pack_batch
from nmt.neural.system import TransformerTranslator
from nmt.neural.training.batches import BatchShape, pack_block
from nmt.recipe.systems import TrainingSettings


class Validator:
    """Scores a model on the same sentences again and again."""

    def __init__(
        self,
        pairs: TextPairs,
        tokenized: TokenizedBitext,
        settings: TrainingSettings,
        shape: BatchShape,
        *,
        bleu_tokenizer: str,
        lowercase: bool,
    ) -> None:
        count = min(len(pairs), settings.validate_max_pairs or len(pairs))
        self._settings = settings
        self._sources = pairs.source[:count]
        self._source_rows = [tokenized.source[i] for i in range(count)]
        self._target_rows = [tokenized.target[i] for i in range(count)]
        source_lengths = np.array([len(row) + 1 for row in self._source_rows])
        target_lengths = np.array([len(row) + 1 for row in self._target_rows])
        self._shape = BatchShape(
            max(shape.source_positions, int(source_lengths.max())),
            max(shape.target_positions, int(target_lengths.max())),
            1,
        )
        self._batches = pack_block(source_lengths, target_lengths, self._shape)
        self._scorer = Scorer(
            [pairs.target[:count]], ["bleu", "chrf"], tokenizer=bleu_tokenizer, lowercase=lowercase
        )

    @torch.no_grad()
    def loss(self, translator: TransformerTranslator) -> tuple[float, float]:
        """Smoothed cross-entropy and plain negative log-likelihood a target piece, without dropout."""
        model = translator.model
        device = model.output.device

        def batch_sums(rows: np.ndarray) -> tuple[float, float, int]:
            batch = pack_batch(
                [self._source_rows[i] for i in rows],
                [self._target_rows[i] for i in rows],
                self._shape.source_positions,
                self._shape.target_positions,
            )
            on_device = batch.to(device)
            loss, nll = smoothed_cross_entropy(
                model(on_device), model.output, on_device.labels_T, self._settings.label_smoothing
            )
            return float(loss), float(nll), batch.num_target_pieces

        sums = translator.map_parallel(batch_sums, self._batches)
        pieces = sum(count for _, _, count in sums)
        return sum(loss for loss, _, _ in sums) / pieces, sum(nll for _, nll, _ in sums) / pieces

    def scores(self, translator: TransformerTranslator) -> dict[str, float]:
        """BLEU and chrF of the model's translations of the source text."""
        hypotheses: Sequence[str] = [t.text for t in translator.translate(self._sources)]
        return {str(name): value for name, value in self._scorer.scores(hypotheses).items()}
