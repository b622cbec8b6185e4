from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

compile_kernels = pytest.importorskip(
    "scripts.compile_kernels", reason="needs Triton", exc_type=ImportError
)


def run(script: str, *options: str, **environment: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", f"scripts.{script}", *options],
        cwd=ROOT, env=inherited | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_dry_run_of_the_benchmark_goes_through_every_kernel() -> None:
    lines = run("bench_kernels", "--dry-run").splitlines()[1:]
    of_ours = [line for line in lines if " ours " in line]
    for kernel in (
        "attention cross", "loss", "add LayerNorm", "linear relu", "float8 linear", "adamw",
        "embedding",
    ):  # fmt: skip
        assert any(line.startswith(kernel) for line in of_ours)
    errors = [
        float(line.split()[-1])
        for line in of_ours
        if "e-" in line.split()[-1] and not line.startswith("float8")
    ]
    assert len(errors) >= 4
    assert max(errors) < 1e-5
    failed = {line[58:71].strip() for line in lines if "Error" in line}
    assert not failed & {"eager", "compiled", "padded SDPA", "fused"}


def test_the_largest_kernels_compile_without_a_gpu_and_do_not_spill(tmp_path: Path) -> None:
    out = run(
        "compile_kernels", "--only", "attention backward 64", "--target", "sm_90", "--no-record",
        TRITON_CACHE_DIR=str(tmp_path),
    )  # fmt: skip
    rows = [line.split() for line in out.splitlines()[1:]]
    assert len(rows) == 3
    for *name, registers, _, spills, products in rows:
        assert 0 < int(registers) <= 255
        assert spills == "0"
        assert products == ("mma" if "tf32" in name else "wgmma")


def test_the_record_is_of_all_kernels_and_none_spills() -> None:
    record = json.loads(compile_kernels.RESULT.read_text(encoding="utf-8"))["kernels"]
    recorded = {(row["kernel"], row["target"]) for row in record}
    expected = {
        (variant.name, target)
        for variant in compile_kernels.variants()
        for target in variant.targets
    }
    assert recorded == expected
    assert not any(row["spill_bytes"] for row in record)
