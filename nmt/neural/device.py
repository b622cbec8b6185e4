"""Which device to compute on, and how."""

from __future__ import annotations

import torch

from nmt.errors import UserError
from nmt.machine import available_cores, cores_in_words
from nmt.neural import cpu


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises UserError if it is not there, or if nothing is called so.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"there is no device called {name}", mend="choose auto, cpu or cuda")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise UserError(
                "there is no CUDA device that PyTorch can use",
                mend="use --device cpu, or install a PyTorch with CUDA and its driver",
            )
        if (device.index or 0) >= count:
            raise UserError(
                f"there is no device {name}", mend=f"the last of the {count} is cuda:{count - 1}"
            )
    return device


def prepare(device: torch.device, processes: int = 1) -> int:
    """Set PyTorch up for the device; returns how many workers should compute side by side.

    On the CPU each worker is a thread that runs its operations alone: sentences, not operations,
    are shared out among the cores, which so many processes share.
    """
    if device.type != "cpu":
        return 1
    cpu.keep_freed_memory()
    torch.set_num_threads(1)
    cpu.choose_matrix_library()
    return max(1, available_cores() // processes)


def describe(device: torch.device, ranks: int = 1) -> str:
    """The devices of so many ranks in words, for the record of a training."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return f"{ranks} x {name}" if ranks > 1 else name
    return f"{ranks} ranks on {cores_in_words()}" if ranks > 1 else cores_in_words()
