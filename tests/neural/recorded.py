"""What a CUDA graph does, on the processor: operations with everything frozen, done again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = (
    "_local_scalar_dense", "aten::item", "aten::equal", "nonzero", "masked_select", "unique",
    "is_pinned",
)  # fmt: skip
"""Operations that ask the device for a number."""


class Recording(TorchDispatchMode):
    """Records operations. Replayed, each writes its result to where it lay when it was recorded.

    So whatever the host decided is as it was: shapes, numbers, and which tensors are read. What
    asks the device for a number is refused.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch gives it no type
        self.operations: list[str] = []
        """Names of those that compute something; views do not."""
        self._calls: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name()
        for part in WAITS:
            assert part not in name, f"{name} waits for the device"
        result = func(*args, **(kwargs or {}))
        given = {_address(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        new = [x for x in made if _address(x) not in given]
        if new or func._schema.is_mutable:
            self.operations.append(name)
            self._calls.append((func, args, kwargs or {}, new))
        return result

    @torch.inference_mode()
    def replay(self) -> None:
        """Do all of it once more."""
        for func, args, kwargs, new in self._calls:
            result = func(*args, **kwargs)
            if new:
                made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
                for x, at in zip(made, new, strict=True):
                    at.copy_(x)


def _address(x: Tensor) -> int:
    address: int = x.untyped_storage()._cdata
    return address


class RecordedCapture:
    """Captures as `nmt.neural.search.cuda_graphs.CudaCapture` does."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []

    def __call__(self, work: Callable[[], None], restore: Callable[[], None]) -> Callable[[], None]:
        """Record the work, and undo it."""
        recording = Recording()
        with recording:
            work()
        restore()
        self.recordings.append(recording)
        return recording.replay
