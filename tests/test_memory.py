"""The largest resident memory, against what a block of known size must do to it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nmt.memory import PeakMemory, peak_memory, restart_peak

MEGABYTE = 2**20

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the peak is restarted on Linux only"
)


def touch(megabytes: int) -> None:
    """Use so much memory for a moment."""
    np.ones(megabytes * MEGABYTE, np.uint8).sum()


def known_peak() -> int:
    """The peak, which Linux always tells."""
    peak = peak_memory()
    assert peak is not None
    return peak


def test_a_block_that_was_freed_counts_until_the_restart() -> None:
    restart_peak()
    before = known_peak()
    touch(200)
    assert known_peak() - before == pytest.approx(200 * MEGABYTE, rel=0.1)
    restart_peak()
    assert known_peak() - before < 50 * MEGABYTE


def test_a_job_keeps_the_largest_of_its_runs(tmp_path: Path) -> None:
    """Also if the largest run was stopped; an unreadable record counts as none."""
    record = tmp_path / "memory.json"
    first = PeakMemory(record)

    def stopped_run() -> None:
        with first.kept():
            touch(200)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_run()
    largest = first.largest
    second = PeakMemory(record)
    with second.kept():
        pass
    assert second.largest == largest == json.loads(record.read_text())["peak_bytes"]
    record.write_text("half")
    assert PeakMemory(record).largest == pytest.approx(known_peak(), abs=10 * MEGABYTE)
