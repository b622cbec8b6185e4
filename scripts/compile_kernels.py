"""Compiles every Triton kernel for sm_80 and sm_90 (what is for float8: sm_90), as training does.

Needs no GPU: the compiler and the assembler come with Triton. Prints registers, shared memory and
spills of each variant and stores them; ends with an error if one spills.

    python -m scripts.compile_kernels [--only NAME] [--target sm_90] [--no-record]
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from nmt.neural.kernels import (
    adamw_triton,
    add_norm_triton,
    cross_entropy_triton,
    embedding_triton,
    float8_triton,
    linear_relu_triton,
    packed_attention_triton,
)
from nmt.neural.kernels.gpu import HEAD_WIDTHS
from nmt.tokenization.protocol import PAD_ID

RESULT = Path(__file__).parent / "results" / "compile_kernels.json"

TARGETS = {"sm_80": 80, "sm_90": 90}

HALF = "*bf16"


@dataclass(frozen=True, slots=True)
class Variant:
    """A kernel as one launch specialises it."""

    name: str
    kernel: Any
    types: Mapping[str, str]
    """Of the arguments that are not 32-bit integers; all pointers are aligned, as PyTorch's are."""
    constants: Mapping[str, Any]
    num_warps: int
    num_stages: int = 3
    even: tuple[str, ...] = ()
    """Integers that are multiples of 16."""
    targets: tuple[str, ...] = tuple(TARGETS)


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the machine code takes."""

    kernel: str
    target: str
    num_warps: int
    registers: int
    """Of a thread."""
    shared_bytes: int
    """Of a program."""
    spill_bytes: int
    """Of a thread."""
    matrix_unit: str
    """The kind of matrix instruction: wgmma, mma, or none."""


def variants() -> Iterator[Variant]:
    """Every kernel in every form that training in bfloat16 uses, and the heaviest of TF32."""
    for drops in (False, True):
        with_dropout = " dropout" if drops else ""
        yield from _attention(drops, with_dropout)
        for centred in (True, False):
            yield from _norms(centred, drops, with_dropout)
        yield from _embedding(drops, with_dropout)
    for gradient in (False, True):
        yield Variant(
            f"cross entropy{' gradient' if gradient else ''}",
            cross_entropy_triton.loss_kernel,
            {"logits": HALF, "targets": "*i64", "loss": "*fp32", "nll": "*fp32",
             "smoothing": "fp32", "scale": "fp32"},
            {"PADDING": PAD_ID, "GRADIENT": gradient, "BLOCK": cross_entropy_triton.BLOCK},
            cross_entropy_triton.NUM_WARPS, even=("vocabulary", "columns"),
        )  # fmt: skip
    yield Variant(
        "relu backward", linear_relu_triton.relu_backward_kernel,
        {**_types("d_out out d_before", HALF), "sums": "*fp32"},
        {"ROWS": linear_relu_triton.ROWS, "COLUMNS": linear_relu_triton.COLUMNS},
        linear_relu_triton.NUM_WARPS, even=("width",),
    )  # fmt: skip
    yield from _float8()
    floats = "gain1 gain2 eps weight_decay clip_norm"
    for of_gradients in (HALF, "*fp32"):
        yield Variant(
            f"adamw {of_gradients[1:]} gradients",
            adamw_triton.adamw_kernel,
            {**_types("values first second norm scalars", "*fp32"), "gradients": of_gradients,
             "copies": HALF, **_types(floats, "fp32")},
            {"CLIPS": True, "COPIES": True, "BLOCK": adamw_triton.BLOCK},
            adamw_triton.NUM_WARPS, even=("size",),
        )  # fmt: skip
    yield from _attention(True, " dropout", (64,), torch.float32)


def _attention(
    drops: bool,
    with_dropout: str,
    widths: tuple[int, ...] = HEAD_WIDTHS,
    dtype: torch.dtype = torch.bfloat16,
) -> Iterator[Variant]:
    wide = dtype == torch.float32
    types = {
        **_types("d_out q k v out dq dk dv", "*fp32" if wide else HALF),
        **_types("seen seeing words", "*i32"),
        "lse": "*fp32",
        **_types("scale d_scale keep", "fp32"),
    }
    for width, target in itertools.product(widths, TARGETS):
        for name, kernel, tiles in (
            ("forward", packed_attention_triton.attention_forward_kernel,
             packed_attention_triton.forward_tiles(width, dtype)),
            ("backward", packed_attention_triton.attention_backward_kernel,
             packed_attention_triton.backward_tiles(width, dtype, TARGETS[target])),
        ):  # fmt: skip
            constants = {
                "WIDTH": width, "OWNED": tiles.owned, "VISITED": tiles.visited,
                "DROPS": drops, "PRECISION": "tf32",
            }  # fmt: skip
            yield Variant(
                f"attention {name} {width}{with_dropout}{' tf32' if wide else ''}",
                kernel, types, constants, tiles.num_warps, tiles.num_stages,
                ("q_stride", "kv_stride", "out_stride"), (target,),
            )  # fmt: skip


def _norms(centred: bool, drops: bool, with_dropout: str) -> Iterator[Variant]:
    types = {
        **_types("y residual summed normed d_summed d_normed d_y d_residual weight bias", HALF),
        **_types("d_weight d_bias", "*fp32"),
        "words": "*i32",
        **_types("eps keep", "fp32"),
    }
    name = "layernorm" if centred else "rmsnorm"
    for width in (512, 1024):
        rows, block, num_warps = add_norm_triton.tile_shape(width)
        constants = {
            "ROWS": rows, "BLOCK": block, "CENTRED": centred, "BIAS": centred, "DROPS": drops,
        }  # fmt: skip
        yield Variant(
            f"add {name} forward {width}{with_dropout}",
            add_norm_triton.add_norm_forward_kernel, types, constants, num_warps, even=("width",),
        )  # fmt: skip
        # The sum goes on to the next sublayer, or, with norms last and at the end, does not.
        for summed in (True, False):
            yield Variant(
                f"add {name} backward {width}{with_dropout}{'' if summed else ' last'}",
                add_norm_triton.add_norm_backward_kernel, types,
                {**constants, "SUMMED": summed}, num_warps, even=("width",),
            )  # fmt: skip


def _embedding(drops: bool, with_dropout: str) -> Iterator[Variant]:
    types = {
        **_types("pieces positions", "*i64"),
        **_types("table out d_out d_table", HALF),
        "position_table": "*fp32",
        **_types("words order offsets", "*i32"),
        **_types("scale keep", "fp32"),
    }
    columns = {"COLUMNS": embedding_triton.COLUMNS, "DROPS": drops}
    yield Variant(
        f"embedding forward{with_dropout}", embedding_triton.embed_forward_kernel, types,
        {**columns, "ROWS": embedding_triton.FORWARD_ROWS, "POSITIONS": True},
        embedding_triton.NUM_WARPS, even=("width",),
    )  # fmt: skip
    yield Variant(
        f"embedding backward{with_dropout}", embedding_triton.embed_backward_kernel, types,
        {**columns, "ROWS": embedding_triton.BACKWARD_ROWS},
        embedding_triton.NUM_WARPS, even=("width",),
    )  # fmt: skip


def _float8() -> Iterator[Variant]:
    yield Variant(
        "float8 peak", float8_triton.peak_kernel, {"x": HALF, "peaks": "*i32"},
        {"BLOCK": float8_triton.BLOCK}, float8_triton.NUM_WARPS, even=("size",), targets=("sm_90",),
    )  # fmt: skip
    for name, type_ in (("e4m3", "*fp8e4nv"), ("e5m2", "*fp8e5")):
        yield Variant(
            f"float8 round {name}", float8_triton.round_kernel,
            {"x": HALF, "peaks": "*i32", **_types("values transposed", type_), "scale": "*fp32",
             **_types("inverse_largest smallest_scale", "fp32")},
            {"PEAKS": float8_triton.PROGRAMS, "ROWS": float8_triton.ROWS,
             "COLUMNS": float8_triton.COLUMNS},
            float8_triton.NUM_WARPS, even=("width", "room"), targets=("sm_90",),
        )  # fmt: skip


def _types(names: str, type_: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), type_)


def compile_variant(variant: Variant, target: str) -> Compiled:
    """Compile a variant, and read what it takes."""
    signature, constants, divisible = {}, {}, {}
    for index, name in enumerate(variant.kernel.arg_names):
        if name in variant.constants:
            signature[name] = "constexpr"
            constants[(index,)] = variant.constants[name]
            continue
        signature[name] = variant.types.get(name, "i32")
        if signature[name].startswith("*") or name in variant.even:
            divisible[(index,)] = [["tt.divisibility", 16]]
    compiled = triton.compile(
        ASTSource(variant.kernel, signature, constants, divisible),
        target=GPUTarget("cuda", TARGETS[target], 32),
        options={"num_warps": variant.num_warps, "num_stages": variant.num_stages},
    )
    used = _resources(compiled.asm["cubin"])
    ptx = compiled.asm["ptx"]
    return Compiled(
        kernel=variant.name,
        target=target,
        num_warps=variant.num_warps,
        registers=int(_found(r"REG:(\d+)", used)),
        shared_bytes=compiled.metadata.shared,
        # These kernels have no arrays of a thread's own: what they keep in memory is spilled.
        spill_bytes=int(_found(r"STACK:(\d+)", used)) + int(_found(r"LOCAL:(\d+)", used)),
        matrix_unit=next((unit for unit in ("wgmma", "mma") if f"{unit}." in ptx), "none"),
    )


def _resources(machine_code: bytes) -> str:
    """What ``cuobjdump`` reads off machine code."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(machine_code)
        return subprocess.run(
            [tool, "--dump-resource-usage", path], capture_output=True, text=True, check=True
        ).stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, f"nothing like {pattern} in: {text[:2000]}"
    return match[1]


def _store(results: list[Compiled]) -> None:
    """Write the results; those of other kernels stay, if the same Triton made them."""
    record = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    known = record["kernels"] if record.get("triton") == triton.__version__ else []
    rows = {(row["kernel"], row["target"]): row for row in known}
    rows |= {(result.kernel, result.target): asdict(result) for result in results}
    wanted = [(variant.name, target) for variant in variants() for target in variant.targets]
    kernels = [rows[key] for key in wanted if key in rows]
    record = {"triton": triton.__version__, "kernels": kernels}
    RESULT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Compile, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="kernels whose name contains this")
    parser.add_argument("--target", choices=TARGETS, help="this target only")
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    targets = [options.target] if options.target else list(TARGETS)
    results = []
    print(f"{'kernel':36} target  warps  registers  shared  spills  products")
    for variant in variants():
        if options.only not in variant.name:
            continue
        for target in (target for target in targets if target in variant.targets):
            result = compile_variant(variant, target)
            results.append(result)
            print(
                f"{result.kernel:36} {target}  {result.num_warps:5}  {result.registers:9}"
                f"  {result.shared_bytes:6}  {result.spill_bytes:6}  {result.matrix_unit}",
                flush=True,
            )
    if not options.no_record:
        _store(results)
    spilling = [r.kernel for r in results if r.spill_bytes]
    if spilling or not results:
        sys.exit(f"these kernels spill registers: {', '.join(spilling)}" if results else "none")


if __name__ == "__main__":
    main()
