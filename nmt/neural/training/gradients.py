"""Loss and gradient of an update, its micro-batches spread over the processor's cores.

Each worker thread runs whole micro-batches on one core, with its own gradients, which are added at
the end. Two cores so give nearly twice the speed of one, more than splitting each operation gives,
since a small model's operations are too short to share. The loss is a sum, and so is its gradient:
the optimiser divides once by the number of target pieces of all micro-batches.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.neural.kernels.cross_entropy import smoothed_cross_entropy
from nmt.neural.kernels.dropout import DropoutKeys
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.packed import PackedBatch
from nmt.neural.training.batches import Update
from nmt.neural.training.cores import Cores
from nmt.neural.training.optimizer import FlatParameters
from nmt.neural.training.precision import adopt_precision, compute_type
from nmt.recipe.neural import TrainingSettings


@dataclass(slots=True)
class LossSums:
    """Sums over the target pieces of an update; tensors, so that the host need not wait."""

    loss: Tensor
    nll: Tensor


class GradientWorkers:
    """Computes gradients of updates, on one device or on several cores."""

    def __init__(
        self,
        model: TranslationModel,
        flat: FlatParameters,
        settings: TrainingSettings,
        cores: Cores,
    ) -> None:
        self.settings = settings
        self.device = flat.values.device
        self._flat = flat
        self._cores = cores
        self.remark = adopt_precision(model, settings)
        """What there is to be said about its precision."""
        self._replicas = [model]
        self._gradients = [flat.gradients]
        for _ in range(cores.number - 1):
            replica = copy.deepcopy(model)
            gradients = torch.zeros_like(flat.gradients)
            flat.attach(replica, flat.values, gradients)
            self._replicas.append(replica)
            self._gradients.append(gradients)

    def accumulate(self, update: Update, number: int, loss_scale: float = 1.0) -> LossSums:
        """Add the gradient of the update's summed loss to the flat gradients.

        Args:
            update: the micro-batches; there may be none where an update has fewer than ranks.
            number: the update's number, which with the seed determines every dropout mask.
            loss_scale: factor on the loss, and so on the gradients.
        """
        replicas = self._replicas
        own = list(zip(update.numbers, update.micro_batches, strict=True))

        def work(worker: int) -> list[tuple[Tensor, Tensor]]:
            return [
                self._micro_batch(
                    replicas[worker],
                    batch.to(self.device),
                    (self.settings.seed, number, index),
                    loss_scale,
                )
                for index, batch in own[worker :: len(replicas)]
            ]

        sums = [pair for pairs in self._cores.run(work) for pair in pairs]
        if len(replicas) > 1:
            self._cores.each(self._add_gradients, self._flat.slices)
        if not sums:
            return LossSums(self._flat.values.new_zeros(()), self._flat.values.new_zeros(()))
        losses, nlls = zip(*sums, strict=True)
        return LossSums(torch.stack(losses).sum(), torch.stack(nlls).sum())

    def _add_gradients(self, part: slice) -> None:
        """Add a slice of the other workers' gradients to the flat ones, and clear it there."""
        for gradients in self._gradients[1:]:
            self._flat.gradients[part].add_(gradients[part])
            gradients[part].zero_()

    def _micro_batch(
        self, model: TranslationModel, batch: PackedBatch, seed: tuple[int, ...], loss_scale: float
    ) -> tuple[Tensor, Tensor]:
        if self.device.type != "cpu":
            # What draws from the device's own generator there must follow from the seed as well.
            torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        loss, nll = model_loss(model, batch, self.settings, DropoutKeys(*seed))
        torch.autograd.backward(loss * loss_scale)
        return loss.detach(), nll


def model_loss(
    model: TranslationModel,
    batch: PackedBatch,
    settings: TrainingSettings,
    keys: DropoutKeys,
) -> tuple[Tensor, Tensor]:
    """The batch's summed training loss and its plain negative log-likelihood.

    With R-Drop both are of two passes with masks of their own, in which each piece counts once.
    """
    device, dtype = batch.labels_T.device.type, compute_type(settings)
    with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
        hidden_TD = model(batch, keys)
        labels_T = batch.labels_T
        if settings.r_drop:
            hidden_TD = torch.cat((hidden_TD, model(batch, keys)))
            labels_T = torch.cat((labels_T, labels_T))
    loss, nll = smoothed_cross_entropy(
        hidden_TD, model.output, labels_T, settings.label_smoothing, settings.r_drop
    )
    return (loss / 2, nll / 2) if settings.r_drop else (loss, nll)


def perplexity(nll_per_piece: float) -> float:
    """``exp`` of the mean negative log-likelihood, or infinity where that overflows."""
    return math.exp(nll_per_piece) if nll_per_piece < 700 else math.inf
