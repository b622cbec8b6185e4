"""The machine: what of it this process may use, and its name for the record."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any, Final

_CGROUPS: Final = Path("/sys/fs/cgroup")


def available_cores(cgroups: Path = _CGROUPS) -> int:
    """Cores that this process may use: by its affinity, and by the quota of its container.

    Args:
        cgroups: where Linux shows the control group of the process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(cgroups)
    return max(1, cores or 1) if quota is None else max(1, min(cores or 1, int(quota)))


def cores_in_words() -> str:
    """The cores, for the record of a training."""
    cores = available_cores()
    return f"{cores} CPU core{'s' if cores > 1 else ''}"


def describe_machine(device: str, *packages: str) -> dict[str, Any]:
    """What a training's speed, and the last digits of its result, depend on.

    Args:
        device: what computed, in words.
        packages: distributions whose versions matter, besides this one.
    """
    return {
        "device": device,
        "processor": _processor(),
        "versions": {
            "nmt": importlib.metadata.version("bitext-nmt"),
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in packages},
        },
    }


def _processor() -> str:
    """The processor's name, as far as the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _quota(cgroups: Path) -> float | None:
    """Processor time that the control group may use per time, in cores; None if unlimited."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # version 2
        quota, period = (cgroups / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # version 1
        quota = (cgroups / "cpu" / "cpu.cfs_quota_us").read_text()
        period = (cgroups / "cpu" / "cpu.cfs_period_us").read_text()
        return None if int(quota) < 0 else int(quota) / int(period)
    return None
