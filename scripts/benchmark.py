"""What the benchmarks share: pinned processes, the machine, disturbance by others, tables.

Every figure of a benchmark is taken in a fresh process that may use a given number of cores and
nothing else, and is stored beside the machine that gave it and what else that machine was doing.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

ROOT = Path(__file__).resolve().parents[1]

ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
"""glibc's environment variables for what `nmt.neural.cpu.keep_freed_memory` sets from inside."""

DISTURBED = 0.05
"""Share of the machine that others may use before a result is called disturbed."""


class ProcessFailed(Exception):
    """A measured process ended with an error; the message is the end of what it said."""


def machine() -> dict[str, Any]:
    """The machine and the libraries that decide a speed."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": _version("torch"),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _processor() -> str:
    """The processor's name and, where the name says little, its family and model."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    facts = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        facts[key.strip()] = value.strip()
    name = facts.get("model name", platform.machine())
    return f"{name}, family {facts.get('cpu family', '?')} model {facts.get('model', '?')}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Load:
    """What the machine did during a benchmark."""

    wall_seconds: float
    others: float | None
    """Share of all cores' time used by processes that are not ours; None where unknown."""
    stolen: float | None
    """Share of all cores' time that the hypervisor gave to other machines."""

    @property
    def disturbed(self) -> bool:
        """Whether others took enough to make the figures doubtful."""
        return (self.others or 0.0) + (self.stolen or 0.0) > DISTURBED

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "disturbed": self.disturbed}


class LoadMeter(AbstractContextManager["LoadMeter"]):
    """Measures, from /proc/stat and our own processes' times, what others used meanwhile."""

    def __enter__(self) -> LoadMeter:
        self._started = time.perf_counter()
        self._before = _processor_times()
        self._own_before = _own_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self) -> Load:
        """The load since the block began."""
        wall = time.perf_counter() - self._started
        after = _processor_times()
        if self._before is None or after is None:
            return Load(wall, None, None)
        busy, stolen = (now - before for now, before in zip(after, self._before, strict=True))
        capacity = wall * (os.cpu_count() or 1)
        others = max(0.0, busy - (_own_seconds() - self._own_before))
        return Load(wall, others / capacity, stolen / capacity)


def _processor_times() -> tuple[float, float] | None:
    """Seconds that all cores were busy, and that were stolen, since the machine started."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()
    except (OSError, IndexError):
        return None
    user, nice, system, _idle, _wait, irq, softirq, stolen = (
        int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in first[1:9]
    )
    return user + nice + system + irq + softirq, stolen


def _own_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def pinned(cores: int) -> Callable[[], None]:
    """For ``subprocess``' ``preexec_fn``: lets the new process use the first ``cores`` cores only.

    Done before Python starts there, since libraries size their thread pools when they are loaded.
    """
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    if len(chosen) < cores:
        raise SystemExit(f"{cores} cores wanted, and this process may use {len(chosen)}")
    return lambda: os.sched_setaffinity(0, chosen)


def environment(*, allocator: bool = False) -> dict[str, str]:
    """This process' environment without what changes thread counts or the allocator unseen."""
    unwanted = ("OMP_", "MKL_", "MALLOC_", "LD_PRELOAD", "OPENBLAS_", "NUMBA_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    path = os.pathsep.join(part for part in (str(ROOT), kept.get("PYTHONPATH")) if part)
    return {**kept, "PYTHONPATH": path, **(ALLOCATOR if allocator else {})}


def run_measurement(
    module: str,
    request: Mapping[str, Any],
    *,
    python: str = sys.executable,
    cores: int = 1,
    allocator: bool = False,
) -> dict[str, Any]:
    """Run ``python -m module REQUEST RESULT`` in a pinned process; return the JSON it writes.

    Raises ProcessFailed with the last lines of its output.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("request.json", "result.json")]
        paths[0].write_text(json.dumps(request), encoding="utf-8")
        done = subprocess.run(
            [python, "-m", module, *map(str, paths)],
            cwd=folder,
            env=environment(allocator=allocator),
            preexec_fn=pinned(cores),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode or not paths[1].exists():
            raise ProcessFailed(" / ".join(done.stdout.strip().splitlines()[-3:]))
        result: dict[str, Any] = json.loads(paths[1].read_text(encoding="utf-8"))
        return result


def answer_request(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The other side of `run_measurement`: read the request, write what ``answer`` gives."""
    request, result = map(Path, sys.argv[1:3])
    result.write_text(
        json.dumps(answer(json.loads(request.read_text(encoding="utf-8")))), encoding="utf-8"
    )


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align cells in columns: the first to the left, the others to the right."""
    table = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:]])


def describe(result: Mapping[str, Any]) -> list[str]:
    """The machine of a result and what else it did, for the foot of a table."""
    on, load = result["machine"], result["load"]
    others = "unknown"
    if load["others"] is not None:
        others = f"{100 * load['others']:.1f} % of the machine, {100 * load['stolen']:.1f} % stolen"
    return [
        f"{on['processor']}, {on['cores']} cores; torch {on['torch']}, Python {on['python']}; "
        f"{on['date']}",
        f"used by other processes meanwhile: {others}"
        + ("  -- DISTURBED, do not quote" if load["disturbed"] else ""),
    ]
