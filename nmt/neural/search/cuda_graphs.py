"""Capturing work on a GPU, to launch it as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import torch

WARM_UPS: Final = 2
"""Times that work is done before it is captured, by which libraries choose their kernels."""


class Capture(Protocol):
    """Turns work into something that does the same work again, whatever lies in its buffers."""

    def __call__(self, work: Callable[[], None], restore: Callable[[], None]) -> Callable[[], None]:
        """Return what does the work.

        Args:
            work: to be captured; reads and writes what stays at its place.
            restore: puts back what the work replaces. It is called after each time that the work is
                done here.

        Raises RuntimeError (PyTorch's) if the work cannot be captured, or memory is short.
        """
        ...


class CudaCapture:
    """Captures CUDA graphs that share their memory: only one of them may run at a time.

    Once all of its graphs are gone, PyTorch may have given up that memory: take another then.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], None], restore: Callable[[], None]) -> Callable[[], None]:
        """See ``Capture``."""
        current = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        # Whatever goes wrong meanwhile, the stream is the usual one again.
        with torch.cuda.stream(current):
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UPS):
                    work()
                    restore()
            current.wait_stream(self._stream)
            # Other threads may ask the device for something meanwhile.
            with torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                work()
        return graph.replay
