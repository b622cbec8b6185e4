"""A Transformer as two ONNX graphs: the encoder, and one step of the decoder with its caches.

::

    encoder.onnx    source pieces to each decoder layer's keys and values of the memory
    decoder.onnx    one more piece for every hypothesis: logits, and longer caches

Shapes: B sentences, S source positions, R rows (hypotheses), P rows of the step before, T columns
of the caches, G sentences that have rows now, K slots for the rows of each, D model width, H heads,
E head width, V pieces.

Hypotheses are at different steps. Every step appends a column to the caches of all rows, and a row
sees the columns from ``begin`` on, where it began. ``parent`` says which row of the step before
each goes on from, ``drop`` how many of the first columns nobody sees any more. For attention to the
source the rows of a sentence stand together in its slots, so that they share its memory.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np

from nmt.neural.export.onnx_graph import Graph
from nmt.neural.export.onnx_layers import Layers
from nmt.neural.export.variants import ONNX, refuse_variants
from nmt.neural.model.transformer import Transformer

NAME: Final = "the ONNX export"
ENCODER: Final = "encoder.onnx"
DECODER: Final = "decoder.onnx"

_CACHED: Final = ("keys", "values")


def write_onnx(model: Transformer, folder: Path, quantization: str | None) -> None:
    """Write both graphs into an existing folder.

    Args:
        model: on the CPU, in float32.
        folder: where to.
        quantization: ``int8`` rounds the weights of matrix products (a scale for each output; what
            they are multiplied with is rounded as it comes), ``float16`` computes in that; None is
            float32.

    Raises UserError that names what is not exported.
    """
    refuse_variants(model.architecture.to_json(), ONNX, NAME)
    dtype = np.float16 if quantization == "float16" else np.float32
    _Encoder(model, dtype).save(folder / ENCODER)
    _Decoder(model, dtype).save(folder / DECODER)
    if quantization == "int8":
        for name in (ENCODER, DECODER):
            _round_to_int8(folder / name)


def _round_to_int8(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # It advises to infer shapes first, which the checker has done.
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(
            path, path, op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True, weight_type=QuantType.QInt8,
        )  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)


class _Encoder:
    """The graph of the encoder."""

    def __init__(self, model: Transformer, dtype: type[np.floating[Any]]) -> None:
        self.graph = g = Graph(dtype)
        self.layers = layers = Layers(model, g)
        self.heads, self.width = model.architecture.heads, model.architecture.head_width
        pieces = g.input("pieces", ("B", "S"), integer=True)
        lengths = g.input("lengths", ("B",), integer=True)
        self.positions = g.count(g.size(pieces, 1))
        past_end = g.add("GreaterOrEqual", self.positions, g.unsqueeze(lengths, 1))
        self.mask_B11S = g.hidden_where(g.unsqueeze(past_end, 1, 2))
        x_BSD = layers.embed("source_embedding", pieces, self.positions)
        for number in range(model.architecture.encoder_layers):
            layer = f"encoder.{number}"
            norm = f"{layer}.self_attention_norm"
            y_BSD = self.attend(f"{layer}.self_attention", layers.enter(norm, x_BSD))
            x_BSD = layers.leave(norm, x_BSD, y_BSD)
            x_BSD = layers.feed_forward(layer, x_BSD)
        memory_BSD = layers.last_norm("encoder_norm", x_BSD)
        for number in range(model.architecture.decoder_layers):
            self.project(number, memory_BSD)

    def save(self, path: Path) -> None:
        """Write the graph."""
        self.graph.save(path, "encoder")

    def attend(self, name: str, x_BSD: str) -> str:
        """Self-attention."""
        g, layers = self.graph, self.layers
        qkv = g.split(layers.linear(f"{name}.qkv", x_BSD), 3, axis=2)
        q, k, v = (g.reshape(part, 0, 0, self.heads, self.width) for part in qkv)
        q, k = (layers.rotate(part, self.positions, axes=2) for part in (q, k))
        q_BHSE, v_BHSE = (g.add("Transpose", part, perm=(0, 2, 1, 3)) for part in (q, v))
        k_BHES = g.add("Transpose", k, perm=(0, 2, 3, 1))
        mixed_BHSE, _ = layers.attention(q_BHSE, k_BHES, v_BHSE, self.mask_B11S)
        mixed_BSHE = g.add("Transpose", mixed_BHSE, perm=(0, 2, 1, 3))
        return layers.linear(f"{name}.out", g.reshape(mixed_BSHE, 0, 0, -1))

    def project(self, number: int, memory_BSD: str) -> None:
        """Put out keys and values of the memory for a layer of the decoder."""
        g, heads, width = self.graph, self.heads, self.width
        kv = self.layers.linear(f"decoder.{number}.cross_attention.kv", memory_BSD)
        k_BSHE, v_BSHE = (g.reshape(part, 0, 0, heads, width) for part in g.split(kv, 2, axis=2))
        k_BHES = g.add("Transpose", k_BSHE, perm=(0, 2, 3, 1))
        v_BHSE = g.add("Transpose", v_BSHE, perm=(0, 2, 1, 3))
        g.output(f"memory_keys_{number}", k_BHES, ("B", heads, width, "S"))
        g.output(f"memory_values_{number}", v_BHSE, ("B", heads, "S", width))


class _Decoder:
    """The graph of a step of the decoder."""

    def __init__(self, model: Transformer, dtype: type[np.floating[Any]]) -> None:
        self.graph = g = Graph(dtype)
        self.layers = layers = Layers(model, g)
        self.heads, self.width = model.architecture.heads, model.architecture.head_width
        piece_R, self.step_R, self.parent_R = (
            g.input(name, ("R",), integer=True) for name in ("piece", "step", "parent")
        )
        attends = model.architecture.decoder == "attention"
        if attends:
            begin_R = g.input("begin", ("R",), integer=True)
            self.drop = g.input("drop", (1,), integer=True)
            columns = g.add("Sub", g.input("columns", (1,), integer=True), self.drop)
            hidden_RT = g.add("Less", g.count(columns), g.unsqueeze(begin_R, 1))
            self.mask_R1T = g.hidden_where(g.unsqueeze(hidden_RT, 1))
        self.sentence_G, length_G = (
            g.input(name, ("G",), integer=True) for name in ("sentence", "length")
        )
        self.row_GK = g.input("row_of_slot", ("GK",), integer=True)
        self.slot_R = g.input("slot_of_row", ("R",), integer=True)
        self.longest = g.add("ReduceMax", length_G, keepdims=1)
        hidden_GS = g.add("GreaterOrEqual", g.count(self.longest), g.unsqueeze(length_G, 1))
        self.memory_mask_G11S = g.hidden_where(g.unsqueeze(hidden_GS, 1, 2))
        x_RD = layers.embed("target_embedding", piece_R, self.step_R)
        for number in range(model.architecture.decoder_layers):
            layer = f"decoder.{number}"
            norm = f"{layer}.self_attention_norm" if attends else f"{layer}.recurrence_norm"
            look_back = self.look_back if attends else self.recur
            x_RD = layers.leave(norm, x_RD, look_back(number, layers.enter(norm, x_RD)))
            norm = f"{layer}.cross_attention_norm"
            y_RD, attention_GKS = self.look_at_source(number, layers.enter(norm, x_RD))
            x_RD = layers.leave(norm, x_RD, y_RD)
            x_RD = layers.feed_forward(layer, x_RD)
        hidden_RD = layers.last_norm("decoder_norm", x_RD)
        g.float_output(
            "logits", layers.logits(hidden_RD), ("R", model.architecture.target_vocabulary_size)
        )
        widths = g.add("Concat", g.integers(-1), self.longest, axis=0)
        flat = g.add("Reshape", attention_GKS, widths)
        attention_RS = g.add("Gather", flat, self.slot_R, axis=0)
        g.float_output("attention", attention_RS, ("R", "longest"))

    def save(self, path: Path) -> None:
        """Write the graph."""
        self.graph.save(path, "decoder")

    def look_back(self, number: int, x_RD: str) -> str:
        """Self-attention to what the row has said, which is in the caches, and to the new piece."""
        g, layers, name = self.graph, self.layers, f"decoder.{number}.self_attention"
        qkv = g.split(layers.linear(f"{name}.qkv", x_RD), 3, axis=1)
        q_RHE, k_RHE, v_RHE = (g.reshape(part, 0, self.heads, self.width) for part in qkv)
        q_RHE, k_RHE = (layers.rotate(part, self.step_R, axes=1) for part in (q_RHE, k_RHE))
        caches = []
        for kind, new_RHE in zip(_CACHED, (k_RHE, v_RHE), strict=True):
            past = g.input(f"past_{kind}_{number}", ("P", self.heads, "T", self.width))
            seen = g.add("Slice", past, self.drop, g.integers(2**62), g.integers(2))
            mine = g.add("Gather", seen, self.parent_R, axis=0)
            caches.append(g.add("Concat", mine, g.unsqueeze(new_RHE, 2), axis=2))
            g.output(f"new_{kind}_{number}", caches[-1], ("R", self.heads, "seen", self.width))
        k_RHTE, v_RHTE = caches
        # Keys times the query: no cache is turned round.
        scores_RHT1 = g.add("MatMul", k_RHTE, g.unsqueeze(layers.scaled(q_RHE), 3))
        scores_RHT = g.add("Add", g.reshape(scores_RHT1, 0, 0, -1), self.mask_R1T)
        weights_RHT = g.add("Softmax", scores_RHT, axis=2)
        mixed_RH1E = g.add("MatMul", g.unsqueeze(weights_RHT, 2), v_RHTE)
        return layers.linear(f"{name}.out", g.reshape(mixed_RH1E, 0, -1))

    def recur(self, number: int, x_RD: str) -> str:
        """An SSRU, whose state is in the caches; see `nmt.neural.model.ssru`."""
        g, layers = self.graph, self.layers
        width = self.heads * self.width
        maps = layers.linear(f"decoder.{number}.recurrence.maps", x_RD)
        candidate_RD, gate_RD = g.split(maps, 2, axis=1)
        past = g.input(f"past_states_{number}", ("P", width))
        goes_on_R = g.add("Greater", self.step_R, g.integers(0))
        zero = g.number(0.0)
        before_RD = g.add(
            "Where", g.unsqueeze(goes_on_R, 1), g.add("Gather", past, self.parent_R, axis=0), zero
        )
        change_RD = g.add("Sub", before_RD, candidate_RD)
        kept_RD = g.add("Mul", g.add("Sigmoid", gate_RD), change_RD)
        state_RD = g.add("Add", candidate_RD, kept_RD)
        g.output(f"new_states_{number}", state_RD, ("R", width))
        return g.add("Relu", state_RD)

    def look_at_source(self, number: int, x_RD: str) -> tuple[str, str]:
        """Attention to the memory, [R, D], and its mean weights, [G, K, S]."""
        g, layers, name = self.graph, self.layers, f"decoder.{number}.cross_attention"
        heads, width = self.heads, self.width
        in_slots = g.add("Gather", layers.linear(f"{name}.q", x_RD), self.row_GK, axis=0)
        shape = g.add("Concat", g.size(self.sentence_G, 0), g.integers(-1, heads, width), axis=0)
        q_GHKE = g.add("Transpose", g.add("Reshape", in_slots, shape), perm=(0, 2, 1, 3))
        keys = g.input(f"memory_keys_{number}", ("B", heads, width, "S"))
        values = g.input(f"memory_values_{number}", ("B", heads, "S", width))
        keys, values = (
            g.add(
                "Slice", g.add("Gather", memory, self.sentence_G, axis=0),
                g.integers(0), self.longest, g.integers(axis),
            )
            for memory, axis in ((keys, 3), (values, 2))
        )  # fmt: skip
        mixed_GHKE, weights_GHKS = layers.attention(q_GHKE, keys, values, self.memory_mask_G11S)
        mixed_GKHE = g.add("Transpose", mixed_GHKE, perm=(0, 2, 1, 3))
        mixed_RD = g.add("Gather", g.reshape(mixed_GKHE, -1, heads * width), self.slot_R, axis=0)
        mean_GKS = g.add("ReduceMean", weights_GHKS, g.integers(1), keepdims=0)
        return layers.linear(f"{name}.out", mixed_RD), mean_GKS
