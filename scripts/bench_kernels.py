"""Each kernel of the GPU against eager PyTorch, torch.compile and what libraries have.

    python -m scripts.bench_kernels                 # on a GPU; stored in results/
    python -m scripts.bench_kernels --only loss     # the kernels whose name contains this
    python -m scripts.bench_kernels --tune          # attention in tiles of other shapes
    python -m scripts.bench_kernels --dry-run       # tiny and untimed; without a GPU interpreted

Times are medians of Triton's do_bench (the cache is cleared before each run) of the forward pass,
and of forward and backward together; one stands for the host's launches as well, which a CUDA graph
would hide. ``floor`` is the larger of two times: what memory must move at the rate of a large copy,
and the useful products at the rate of a large bfloat16 product, both measured first. ``error`` is
the distance of results and gradients from those of plain PyTorch in float32, over their length.

After each case the results are stored; those that do not fit in ``--minutes`` are named, not timed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch._functorch.config
from torch import Tensor

from scripts import gpu_peak

if TYPE_CHECKING:
    from scripts.attention_rivals import Rival
    from scripts.kernel_cases import Case

RESULT = Path(__file__).parent / "results" / "bench_kernels.json"


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="kernels whose name contains this")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no case after this time")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the results go")
    parser.add_argument("--tune", action="store_true", help="time other tiles of attention")
    parser.add_argument("--dry-run", action="store_true", help="tiny, untimed, nothing stored")
    options = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        if not options.dry_run:
            sys.exit("there is no GPU here; use --dry-run")
        os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are imported
    if options.tune:
        _tune()
    else:
        _bench(options, "cuda" if on_gpu else "cpu")


def _bench(options: argparse.Namespace, device: str) -> None:
    from scripts.kernel_cases import REAL, TINY, cases

    # A compiled backward pass is run several times on the same saved tensors.
    torch._functorch.config.donated_buffer = False
    deadline = time.monotonic() + 60 * options.minutes
    # The interpreter's products of half types are wrong.
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    record: dict[str, Any] = {"device": "dry run", "cases": [], "not measured": []}
    rates = (1.0, 1.0)
    if not options.dry_run:
        record |= gpu_peak.measure({})
        rates = (record["copy_bytes_per_second"], record["bfloat16_flops_per_second"])
        print(json.dumps({k: v for k, v in record.items() if k not in ("cases", "not measured")}))
    print(f"{'kernel':22} {'shape':36} {'rival':12} {'forward':>8} {'both':>8}  floor    error")
    for case in cases(TINY if options.dry_run else REAL, dtype, device):
        if options.only not in case.kernel:
            continue
        if time.monotonic() > deadline:
            record["not measured"].append(f"{case.kernel}, {case.shape}: no time left")
            continue
        record["cases"].append(_measure(case, rates, options.dry_run))
        if not options.dry_run:
            options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for reason in record["not measured"]:
        print(f"not measured: {reason}")
    if options.dry_run and not record["cases"]:
        sys.exit("no case is called so")


def _measure(case: Case, rates: tuple[float, float], dry: bool) -> dict[str, Any]:
    """Time all rivals of a case, and print them."""
    floors = (
        case.forward_bytes / rates[0] * 1e3,
        max(case.both_bytes / rates[0], case.both_flops / rates[1]) * 1e3,
    )
    rivals = dict(case.rivals)
    rivals["compiled"] = _compiled(rivals["eager"], dry)
    exact = None
    if case.exact is not None:
        exact = _results(rivals[case.exact], [x.detach().float() for x in case.leaves])
    rows: dict[str, Any] = {name: {"failed": why} for name, why in case.notes.items()}
    for name, rival in rivals.items():
        try:
            rows[name] = _measure_rival(rival, case, exact, dry)
        except Exception as error:  # a rival that cannot do it is a result
            if name == "ours":
                raise
            rows[name] = {"failed": f"{type(error).__name__}: {error}".split("\n")[0][:200]}
        _print(case, name, rows[name], floors)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return {
        "kernel": case.kernel,
        "shape": case.shape,
        "floor_forward_ms": None if dry else floors[0],
        "floor_both_ms": None if dry else floors[1],
        "rivals": rows,
    }


def _compiled(function: Rival, dry: bool) -> Rival:
    torch.compiler.reset()
    if dry:  # the generator of code for the processor needs a C++ compiler
        return torch.compile(function, backend="aot_eager", dynamic=False)
    return torch.compile(function, dynamic=False)


def _measure_rival(
    rival: Rival, case: Case, exact: list[Tensor] | None, dry: bool
) -> dict[str, float]:
    row = {}
    if exact is not None:
        results = _results(rival, case.leaves)
        row["error"] = max(_distance(x, y) for x, y in zip(results, exact, strict=True))
    elif dry:
        _results(rival, case.leaves)
    if dry:
        return row
    leaves = [x.detach().requires_grad_() for x in case.leaves]
    row["forward_ms"] = _time(lambda: rival(*leaves))
    outputs = _tuple(rival(*leaves))
    if leaves:
        d_outputs = [torch.randn_like(x) for x in outputs]
        row["both_ms"] = _time(
            lambda: torch.autograd.grad(_tuple(rival(*leaves)), leaves, d_outputs)
        )
    else:
        row["both_ms"] = row["forward_ms"]
    return row


def _results(rival: Rival, leaves: list[Tensor]) -> list[Tensor]:
    """Results and gradients; the gradients of the results follow from their shapes alone."""
    leaves = [x.detach().requires_grad_() for x in leaves]
    outputs = _tuple(rival(*leaves))
    if not leaves:
        return []
    generator = torch.Generator().manual_seed(1)
    d_outputs = [torch.randn(x.shape, generator=generator).to(x) for x in outputs]
    return [*(x.detach() for x in outputs), *torch.autograd.grad(outputs, leaves, d_outputs)]


def _tuple(outputs: Any) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _distance(x: Tensor, exact: Tensor) -> float:
    return float((x.float() - exact).norm() / exact.norm())


def _time(function: Callable[[], Any]) -> float:
    from triton.testing import do_bench

    milliseconds: float = do_bench(function, warmup=50, rep=200, return_mode="median")
    return milliseconds


def _print(case: Case, name: str, row: dict[str, Any], floors: tuple[float, float]) -> None:
    begin = f"{case.kernel:22} {case.shape:36} {name:12}"
    if "failed" in row:
        print(f"{begin} {row['failed']}", flush=True)
        return
    times = f"{'':8} {'':8}  {'':8}"
    if "both_ms" in row:
        times = f"{row['forward_ms']:8.3f} {row['both_ms']:8.3f}  {floors[1]:<8.3f}"
    error = f"{row['error']:.1e}" if "error" in row else ""
    print(f"{begin} {times} {error}", flush=True)


def _tune() -> None:
    """Attention at the first real size in tiles of many shapes; what spills or fails says so."""
    from itertools import product

    from nmt.neural.kernels import packed_attention_triton as kernel
    from nmt.neural.kernels.attention_spans import attention_spans
    from scripts.kernel_cases import REAL, draw_lengths

    heads, width = REAL.widths[0] // REAL.head_width, REAL.head_width
    shape = (REAL.positions, 3, heads, width)
    qkv, d_qkv = torch.randn(2, *shape, device="cuda", dtype=torch.bfloat16)
    lengths = torch.tensor(draw_lengths(REAL.positions, 1), device="cuda")
    offsets = torch.cat((lengths.new_zeros(1), lengths.cumsum(0))).to(torch.int32)
    spans = attention_spans(offsets, offsets, len(qkv), len(qkv))
    q, k, v = qkv.unbind(1)
    dq, dk, dv = d_qkv.unbind(1)
    out, lse = kernel.launch_forward(q, k, v, spans.seen_2N, None, 0, 0.0)
    d_out = torch.randn_like(out)
    print("tiles (owned, visited, warps, stages): forward, backward in ms")
    for tiles in product((32, 64, 128), (32, 64), (4, 8), (1, 2)):
        chosen = kernel.Tiles(*tiles)

        def forward(chosen: Any = chosen) -> Any:
            return kernel.launch_forward(q, k, v, spans.seen_2N, None, 0, 0.0, chosen)

        def backward(chosen: Any = chosen) -> None:
            kernel.launch_backward(
                d_out, q, k, v, out, lse, dq, dk, dv, spans, None, 0, 0.0, chosen
            )

        times = []
        for function in (forward, backward):
            try:
                times.append(f"{_time(function):7.3f}")
            except Exception as error:  # too much shared memory, most often
                times.append(type(error).__name__)
        print(tiles, *times, flush=True)


if __name__ == "__main__":
    main()
