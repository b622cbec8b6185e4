"""Training on a GPU: nmt's step against a plain padded PyTorch loop, plain and compiled.

    python3 -m scripts.bench_gpu_training --output OUT.json     # all of it, under 9 minutes
    python3 -m scripts.bench_gpu_training --show scripts/results/bench_gpu_training.json
    python3 -m scripts.bench_gpu_training --smoke               # tiny, here, without a GPU

Needs PyTorch, Triton and numba, and of nmt's own packages pydantic (with pydantic-core,
annotated-types and typing-inspection) and rich; nmt is taken from the folder it is run in.

Each line is measured in a process of its own with a time limit, and stored at once, so a run that
is cut off still tells. What is counted are target pieces, ends of sentences included and padding
not. The most telling lines come first; those for which no time is left are named.

- *nmt*: static packed batches, the kernels, one CUDA graph an update, fed by the thread that feeds
  nmt-train. *without a graph*, *compiled* (torch.compile over the pass, then captured) and *with
  plain X* (the reference of one kernel in its place; plain attention asks the device for the
  longest sentence, so without a graph) say what each is good for.
- *float8*: the products of the layers in float8, all else in bfloat16. Its MFU is by the rate of
  bfloat16, too.
- *padded*: torch.nn.Transformer (causal attention by the fastest way that PyTorch has), sentences
  of like length together, autocast, fused AdamW, batches ready in pinned memory. The same sizes,
  norms first, dropout at the same places.
- *MFU* is model FLOPs utilisation: operations that the model needs for the pieces (two a
  multiplication with a weight, and attention over each sentence's own length; times three for the
  backward pass; no padding, nothing computed twice: `scripts.training_flops`) a second, over the
  rate of an 8,192 x 8,192 bfloat16 product of PyTorch, measured first on the same GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nmt.files import write_json
from nmt.neural.kernels.gpu import KERNELS
from scripts.benchmark import RESULTS, ROOT, format_table
from scripts.gpu_training_contenders import Job, as_request

RESULT = RESULTS / "bench_gpu_training.json"

BATCH_TOKENS = 25_600


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement."""

    name: str
    job: Job
    limit: float
    """Seconds after which it is given up."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, store; returns the exit status."""
    options = parse(arguments)
    if options.show is not None:
        print(render(json.loads(options.show.read_text(encoding="utf-8"))))
        return 0
    deadline = time.monotonic() + 60 * options.minutes
    result: dict[str, Any] = {"rows": [], "not measured": []}
    if options.smoke:
        os.environ["TRITON_INTERPRET"] = "1"  # of the processes to come
    else:
        result["device"] = run_process("scripts.gpu_peak", {}, 60.0)
        print(json.dumps(result["device"]), flush=True)
    for line in smoke_lines() if options.smoke else all_lines():
        if options.only not in line.name:
            continue
        left = deadline - time.monotonic()
        if left < min(line.limit, 30.0):
            result["not measured"].append(line.name)
            continue
        job = as_request(line.job)
        row: dict[str, Any] = {"name": line.name, "job": job}
        try:
            row |= run_process("scripts.gpu_training_contenders", job, min(line.limit, left))
        except ProcessEnded as ended:
            row["failed"] = str(ended)
        result["rows"].append(row)
        print(_in_one_line(row), flush=True)
        if not options.smoke or options.output != RESULT:
            write_json(options.output, result)
    print(render(result))
    return 0 if all("failed" not in row for row in result["rows"]) else 1


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=RESULT, help="where the results go")
    parser.add_argument("--minutes", type=float, default=8.7, help="begin nothing after this time")
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, on whatever is here")
    parser.add_argument("--show", type=Path, metavar="JSON", help="print an earlier result")
    return parser.parse_args(arguments)


def all_lines() -> Iterator[Line]:
    """What is measured on a GPU, the most telling first."""
    plain = Job("nmt", "big", 32_000, "newstest", BATCH_TOKENS, 60_000, 8, 40, 10.0)
    big = {
        "big 32k newstest": plain,
        "big 32k europarl": replace(plain, lengths="europarl"),
        "big 8k europarl": replace(plain, vocabulary=8_000, lengths="europarl"),
    }
    base = {
        "base 32k newstest": replace(plain, preset="base", updates=80),
        "base 8k tatoeba": replace(
            plain, preset="base", vocabulary=8_000, lengths="tatoeba", updates=80, pairs=150_000
        ),
    }
    first, second = "big 32k newstest", "base 32k newstest"
    cases = {**big, **base}
    for name in (first, second):
        yield Line(f"{name}: nmt", replace(cases[name], trace=True), 75.0)
        yield Line(f"{name}: padded", replace(cases[name], contender="padded"), 45.0)
    for name in (first, second):
        compiled = replace(cases[name], contender="padded", compiled=True)
        yield Line(f"{name}: padded, compiled", compiled, 110.0)
    for name in (first, second):
        in_float8 = replace(cases[name], precision="float8", trace=True)
        yield Line(f"{name}: nmt, float8", in_float8, 60.0)
    for name in (first, second):
        yield Line(f"{name}: nmt, compiled", replace(cases[name], compiled=True), 110.0)
        yield Line(f"{name}: nmt, without a graph", replace(cases[name], graph=False), 40.0)
    for name, job in cases.items():
        if name not in (first, second):
            yield Line(f"{name}: nmt", job, 40.0)
            yield Line(f"{name}: padded", replace(job, contender="padded"), 40.0)
    smaller = replace(cases[first], batch_tokens=8_192, updates=100)
    yield Line(f"{first}, 8k tokens: nmt", smaller, 40.0)
    for kernel in KERNELS:
        one = replace(
            cases[first], references=(kernel,), graph=kernel != "attention", updates=20, warmup=3
        )
        yield Line(f"{first}: nmt, with plain {kernel}", one, 40.0)
    for precision in ("float16", "float32"):
        one = replace(cases[first], precision=precision, updates=20, warmup=3)
        yield Line(f"{first}: nmt, {precision}", one, 40.0)


def smoke_lines() -> Iterator[Line]:
    """The same ways through the code, at a size for the processor and Triton's interpreter."""
    job = Job("nmt", "smoke", 60, "tatoeba", 64, 40, 0, 1, 0.0, precision="float32")
    yield Line("smoke: nmt", job, 120.0)
    job = replace(job, precision="bfloat16")
    yield Line("smoke: nmt, plain", replace(job, references=KERNELS, trace=True), 120.0)
    float8 = replace(job, precision="float8", references=KERNELS)
    yield Line("smoke: nmt, float8", float8, 120.0)
    yield Line("smoke: padded", replace(job, contender="padded"), 120.0)


class ProcessEnded(Exception):
    """A process gave no result; the message is why."""


def run_process(module: str, request: dict[str, Any], limit: float) -> dict[str, Any]:
    """The JSON that ``python -m module`` makes of a request, within so many seconds.

    Raises ProcessEnded with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("request.json", "result.json")]
        paths[0].write_text(json.dumps(request), encoding="utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-m", module, *map(str, paths)],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace", check=False, timeout=limit,
            )  # fmt: skip
        except subprocess.TimeoutExpired as expired:
            raise ProcessEnded(f"not done in {limit:.0f} s") from expired
        if done.returncode or not paths[1].exists():
            raise ProcessEnded(" / ".join(done.stdout.strip().splitlines()[-3:])[-600:])
        result: dict[str, Any] = json.loads(paths[1].read_text(encoding="utf-8"))
        return result


def render(result: dict[str, Any]) -> str:
    """The result as a table, with how much faster than padding, and where the time goes."""
    rows = [row for row in result["rows"] if "failed" not in row]
    peak = result.get("device", {}).get("bfloat16_flops_per_second")
    padded = {
        name.removesuffix(": padded"): row["target_pieces_per_second"]
        for row in rows
        if (name := row["name"]).endswith(": padded")
    }
    cells = []
    for row in rows:
        rate = row["target_pieces_per_second"]
        usual = padded.get(row["name"].partition(":")[0])
        cells.append(
            [
                row["name"],
                f"{rate:,.0f}",
                f"{row['ms_per_update']:.2f}",
                f"{100 * row['flop_per_second'] / peak:.1f} %" if peak else "",
                f"{row['peak_bytes'] / 2**30:.1f}" if row["peak_bytes"] else "",
                f"{100 * row['padding']:.1f} %",
                f"{rate / usual:.2f}" if usual else "",
                f"{row['seconds_to_first_update']:.0f}",
            ]
        )
    header = [
        "", "target pieces/s", "ms/update", "MFU", "GiB", "padding", "x padded", "s to first"
    ]  # fmt: skip
    lines = [format_table(header, cells), ""]
    lines += [f"{row['name']}: {row['trace']['in_words']}" for row in rows if "trace" in row]
    lines += [f"failed: {r['name']}: {r['failed']}" for r in result["rows"] if "failed" in r]
    lines += [f"not measured: {name}" for name in result["not measured"]]
    if "device" in result:
        lines.append(json.dumps(result["device"]))
    return "\n".join(lines)


def _in_one_line(row: dict[str, Any]) -> str:
    if "failed" in row:
        return f"{row['name']}: {row['failed']}"
    return (
        f"{row['name']}: {row['target_pieces_per_second']:,.0f} target pieces/s, "
        f"{row['ms_per_update']:.2f} ms, loss {row['loss_last']:.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
