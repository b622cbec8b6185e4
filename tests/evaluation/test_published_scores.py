"""Published scores of real systems are reproduced to the last published digit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_wmt_scores.py"


@pytest.mark.parametrize(
    ("test_set", "count"),
    # 5 systems; 6 systems by 2 metrics against reference A, B and both
    [("newstest2014", 5), ("wmt21", 6 * 2 * 3)],
)
def test_wmt_scores_are_reproduced(
    test_set: str, count: int, shared_data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "results.json"
    options = f"--test-set {test_set} --pair de-en".split()
    run = subprocess.run(
        [sys.executable, SCRIPT, *options, "--data", shared_data, "--output", output],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    results = json.loads(output.read_text())
    assert results["scores"] == count
    assert results["disagreeing"] == 0
