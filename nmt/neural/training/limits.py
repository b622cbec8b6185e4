"""What ends a training: the limits of its recipe, and of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from nmt.errors import UserError
from nmt.neural.training.checkpoint import Counters
from nmt.recipe.neural import TrainingSettings


def time_is_over(settings: TrainingSettings, seconds: float) -> bool:
    """Whether so much training is as much as the recipe allows."""
    return settings.max_minutes is not None and seconds >= 60 * settings.max_minutes


def limit_reached(settings: TrainingSettings, counters: Counters, *, in_time: bool) -> str | None:
    """Which limit of the recipe has been reached, in words; None to go on.

    Args:
        settings: how to train.
        counters: where the training stands.
        in_time: whether there is time left, which several ranks must agree on.
    """
    if settings.max_updates is not None and counters.update >= settings.max_updates:
        return f"{settings.max_updates} updates done"
    if settings.max_epochs is not None and counters.position.epoch >= settings.max_epochs:
        return f"{settings.max_epochs} epochs done"
    if not in_time:
        return f"{settings.max_minutes:g} minutes are over"
    if settings.patience is not None and counters.validations_since_best >= settings.patience:
        return f"no better validation in {settings.patience}"
    return None


@contextlib.contextmanager
def explaining_memory(settings: TrainingSettings) -> Iterator[None]:
    """Turn a lack of memory into a UserError that says what to change."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        tokens = settings.micro_batch_tokens or settings.batch_tokens
        raise UserError(
            f"a batch of {settings.batch_tokens} tokens does not fit in memory",
            mend=f"set training.micro_batch_tokens to less, such as {max(1, tokens // 2)}; "
            "updates stay the same",
        ) from error
