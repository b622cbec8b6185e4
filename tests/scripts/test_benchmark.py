"""What the benchmarks share, and that stored results can be shown again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts import bench_training, bench_translation, check_batch_independence
from scripts.benchmark import (
    RESULTS,
    LoadMeter,
    ProcessFailed,
    environment,
    format_table,
    machine,
    pinned,
    run_measurement,
)

PROBE = """
import os
from scripts.benchmark import answer_request

answer_request(lambda request: {**request, "cores": len(os.sched_getaffinity(0)),
    "arena": os.environ.get("MALLOC_ARENA_MAX"), "openmp": os.environ.get("OMP_NUM_THREADS")})
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "broken.py").write_text("raise SystemExit('no such luck')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "probe"


@pytest.mark.parametrize("allocator", [False, True])
def test_a_measurement_is_pinned_and_has_no_thread_settings(
    probe: str, monkeypatch: pytest.MonkeyPatch, allocator: bool
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "9")
    result = run_measurement(probe, {"text": "ä\n"}, cores=1, allocator=allocator)
    arena = "1" if allocator else None
    assert result == {"text": "ä\n", "cores": 1, "arena": arena, "openmp": None}


def test_a_measurement_that_fails_says_why(probe: str) -> None:
    with pytest.raises(ProcessFailed, match="no such luck"):
        run_measurement("broken", {})


def test_more_cores_than_there_are() -> None:
    with pytest.raises(SystemExit, match="cores wanted"):
        pinned(len(os.sched_getaffinity(0)) + 1)


def test_the_environment_finds_the_scripts() -> None:
    assert Path(environment()["PYTHONPATH"].split(os.pathsep)[0]) == RESULTS.parents[1]


def test_own_work_is_not_that_of_others() -> None:
    with LoadMeter() as meter:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
        load = meter.load()
    assert load.others is not None
    cores = os.cpu_count() or 1
    assert 0 <= load.others <= (cores * load.wall_seconds - 0.3) / (cores * load.wall_seconds) + 0.1
    assert json.loads(json.dumps(load.to_json()))["disturbed"] is load.disturbed


def test_machine_names_the_processor_and_torch() -> None:
    facts = machine()
    assert facts["processor"]
    assert facts["torch"].startswith("2.")


def test_table() -> None:
    table = format_table(["what", "n"], [["a", "10,000"], ["longer", "1"]])
    assert table.splitlines() == [
        "what         n",
        "--------------",
        "a       10,000",
        "longer       1",
    ]


@pytest.mark.parametrize(
    ("script", "known"),
    [(bench_training, "nmt-train"), (bench_translation, "nmt-translate, start-up included")],
)
def test_stored_results_are_shown(
    script: object, known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = script.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    assert script.main(["--show", str(RESULTS / f"{name}.json")]) == 0  # type: ignore[attr-defined]
    shown = capsys.readouterr().out
    assert known in shown
    assert "used by other processes" in shown


@pytest.mark.parametrize("script", [bench_translation, check_batch_independence])
def test_a_model_is_needed(script: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        script.main([])  # type: ignore[attr-defined]
    assert exit_.value.code == 2
    assert "MODEL" in capsys.readouterr().err
