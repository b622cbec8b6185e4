"""Dynamic loss scaling for float16 (Micikevicius et al. 2018), held and adapted on the device.

The host never has to know the scale of the moment, so it never waits for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

FIRST = 2.0**7
"""Where float16 begins: the gradient of a weight is a sum over all pieces of a micro-batch."""
LARGEST = 2.0**13
SMALLEST = 2.0**-10
"""Below this the loss itself is not finite, whatever its scale."""
PATIENCE = 2000
"""Updates without overflow after which a larger scale is tried."""


class LossScale:
    """The factor on the loss: constantly 1 unless the training is in float16."""

    def __init__(self, device: torch.device, *, adapts: bool) -> None:
        self._adapts = adapts
        self.factor = torch.full((), FIRST if adapts else 1.0, device=device)
        """float32, on the device."""
        self.updates = torch.zeros((), dtype=torch.int32, device=device)
        """Updates without overflow since it was last changed."""

    def adapt(self, finite: Tensor) -> None:
        """Learn whether the last update was finite; all on the device."""
        if not self._adapts:
            return
        count = (self.updates + 1) * finite
        grows = count >= PATIENCE
        self.updates.copy_(count * ~grows)
        larger = torch.where(grows, (2 * self.factor).clamp(max=LARGEST), self.factor)
        self.factor.copy_(torch.where(finite, larger, self.factor / 2))

    def load(self, factor: float, updates: int) -> None:
        """Go on from these."""
        self.factor.fill_(factor)
        self.updates.fill_(updates)

    def read(self) -> tuple[float, int]:
        """The factor and the count of updates; waits for the device."""
        return float(self.factor), int(self.updates)
