"""Which device to compute on, and how."""

from __future__ import annotations

import os

import torch

from nmt.errors import UserError
from nmt.neural import cpu


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu`` or ``cuda``; raises UserError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(
            "there is no CUDA device that PyTorch can use",
            mend="use --device cpu, or install a PyTorch with CUDA and its driver",
        )
    return torch.device(name)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(device: torch.device) -> int:
    """Set PyTorch up for the device; returns how many workers should compute side by side.

    On the CPU each worker is a thread that runs its operations alone: sentences, not operations,
    are shared out among the cores.
    """
    if device.type != "cpu":
        return 1
    cpu.keep_freed_memory()
    torch.set_num_threads(1)
    cpu.choose_matrix_library()
    return available_cores()


def describe(device: torch.device) -> str:
    """The device in words, for the record of a training."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{available_cores()} CPU cores"
