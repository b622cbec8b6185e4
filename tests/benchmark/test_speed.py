"""The measurement of speed: on one core, bounded, and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.benchmark.speed import choose_sentences, measure_speed
from nmt.errors import UserError
from nmt.model_folder import open_model_folder

SENTENCES = [f"The cat sees {number} doors." for number in range(60)]


def test_sentences_are_different_and_of_the_whole_test() -> None:
    lines = [f"line {number}" for number in range(3000)]
    chosen = choose_sentences([*lines, *lines, "", "  "])
    assert len(chosen) == len({*chosen}) == 1000
    assert {*chosen} <= {*lines}
    numbers = [int(line.split()[1]) for line in chosen]
    # A draw of 1,000 has a mean within 3 standard errors of that of all, begun anywhere.
    assert abs(sum(numbers) / 1000 - 1499.5) < 82
    assert abs(sum(numbers[:200]) / 200 - 1499.5) < 184
    assert choose_sentences(lines) == chosen
    assert sorted(choose_sentences(["b", "a", "b"])) == ["a", "b"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system pins no process")
def test_the_process_stays_on_one_core() -> None:
    program = (
        "from nmt.benchmark.speed_process import stay_on_one_core; import sys;"
        "assert not {'numpy', 'torch', 'numba'} & {*sys.modules};"  # they size pools of threads
        "stay_on_one_core(); from nmt.machine import available_cores; print(available_cores())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.integration
def test_a_measurement_is_bounded_and_kept(
    trained_once: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes as many sentences as fit, at least those of the warm-up; also for a moved model."""
    model = open_model_folder(trained_once[0] / "runs" / "small" / "small")
    short = measure_speed(model, SENTENCES, cache=tmp_path, seconds=0)
    assert short.num_sentences == 20
    found = measure_speed(model, SENTENCES, cache=tmp_path, seconds=5)
    assert found.num_sentences == 60
    assert found.sentences_per_second > 5
    assert found.memory_bytes is not None
    assert 30e6 < found.memory_bytes < 3e9
    shutil.copytree(model.path, tmp_path / "moved")
    monkeypatch.setattr("nmt.benchmark.speed.subprocess.run", None)
    moved = open_model_folder(tmp_path / "moved")
    assert measure_speed(moved, SENTENCES, cache=tmp_path, seconds=5) == found


@pytest.mark.integration
def test_a_bad_end_is_told_and_leaves_nothing(
    trained_once: tuple[Path, str], tmp_path: Path
) -> None:
    model = open_model_folder(trained_once[0] / "runs" / "small" / "small")
    gone = model.model_copy(update={"path": tmp_path / "gone"})
    with pytest.raises(UserError, match="ended with code 1") as raised:
        measure_speed(gone, SENTENCES, cache=tmp_path / "cache")
    assert "--no-speed" in str(raised.value)
    assert list((tmp_path / "cache").iterdir()) == []
