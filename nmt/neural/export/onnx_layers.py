"""A Transformer's layers as ONNX operators."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from nmt.neural.export.onnx_graph import Graph
from nmt.neural.export.opened import named_weights, split_output
from nmt.neural.model.architecture import Architecture
from nmt.neural.model.layers import sinusoids
from nmt.neural.model.transformer import Transformer


class Layers:
    """The model's layers as operators; a value's axes before the last are whatever they are."""

    def __init__(self, model: Transformer, graph: Graph) -> None:
        self.graph = graph
        self._model = model
        self._architecture: Architecture = model.architecture
        self._weights = named_weights(model)

    def table(self, name: str, tensor: Tensor) -> str:
        """Embeddings, in the file once if they are tied."""
        tied = self._model.source_embedding.table.weight, self._model.target_embedding.table.weight
        for number, other in enumerate(tied):
            if tensor is other:
                name = f"embeddings_{number}"
                break
        return self.graph.weight(name, tensor.detach().numpy()[:, : self._architecture.width])

    def logits(self, hidden: str) -> str:
        """``output h``, and the bias if there is one."""
        table, (_, bias) = self.table("output", self._model.output), split_output(self._model)
        biases = () if bias is None else (self.graph.weight("output_bias", bias),)
        return self.graph.add("Gemm", hidden, table, *biases, transB=1)

    def embed(self, name: str, pieces: str, positions: str) -> str:
        """Pieces at positions to vectors."""
        g, embedding = self.graph, getattr(self._model, name)
        x = g.add("Gather", self.table(name, embedding.table.weight), pieces, axis=0)
        x = g.add("Mul", x, g.number(embedding.scale))
        a = self._architecture
        if a.positions == "rotary":
            return x
        if a.positions == "learned":
            table = g.weight(f"{name}.learned", self._weights[f"{name}.learned"])
        else:
            table = g.weight("positions", sinusoids(a.max_positions, a.width).numpy())
        return g.add("Add", x, g.add("Gather", table, positions, axis=0))

    def linear(self, name: str, x: str) -> str:
        """``W x + b``."""
        g = self.graph
        weight = g.weight(f"{name}.weight", self._weights[f"{name}.weight"].T)
        bias = g.weight(f"{name}.bias", self._weights[f"{name}.bias"])
        return g.add("Add", g.add("MatMul", x, weight), bias)

    def norm(self, name: str, x: str) -> str:
        """LayerNorm or RMSNorm."""
        g = self.graph
        weight = g.weight(f"{name}.weight", self._weights[f"{name}.weight"])
        if self._architecture.norm == "layernorm":
            bias = g.weight(f"{name}.bias", self._weights[f"{name}.bias"])
            return g.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-5)
        mean = g.add("ReduceMean", g.add("Mul", x, x), g.integers(-1), keepdims=1)
        root = g.add("Sqrt", g.add("Add", mean, g.number(1e-6)))
        return g.add("Mul", g.add("Div", x, root), weight)

    def last_norm(self, name: str, x: str) -> str:
        """The norm at the end of the encoder or decoder, where norms come first."""
        return self.norm(name, x) if self._architecture.norm_position == "pre" else x

    def enter(self, norm: str, x: str) -> str:
        """What a sublayer reads: the stream, normalised if norms come first."""
        return self.norm(norm, x) if self._architecture.norm_position == "pre" else x

    def leave(self, norm: str, x: str, y: str) -> str:
        """The stream after a sublayer that gave ``y``, normalised if norms come last."""
        total = self.graph.add("Add", x, y)
        return total if self._architecture.norm_position == "pre" else self.norm(norm, total)

    def feed_forward(self, layer: str, x: str) -> str:
        """The feed-forward sublayer."""
        g, norm = self.graph, f"{layer}.feed_forward_norm"
        h = self.linear(f"{layer}.feed_forward.inner", self.enter(norm, x))
        match self._architecture.activation:
            case "relu":
                h = g.add("Relu", h)
            case "gelu":
                h = g.add("Gelu", h)
            case "swish":
                h = g.add("Mul", h, g.add("Sigmoid", h))
            case "swiglu":
                gate, value = g.split(h, 2, axis=-1)
                h = g.add("Mul", g.add("Mul", gate, g.add("Sigmoid", gate)), value)
        return self.leave(norm, x, self.linear(f"{layer}.feed_forward.outer", h))

    def scaled(self, q: str) -> str:
        """Queries divided by the root of their width."""
        return self.graph.add("Mul", q, self.graph.number(self._architecture.head_width**-0.5))

    def attention(self, q: str, k: str, v: str, mask: str) -> tuple[str, str]:
        """Mixed values and weights; [..., Q, E] times keys [..., E, S] and values [..., S, E]."""
        g = self.graph
        scores = g.add("Add", g.add("MatMul", self.scaled(q), k), mask)
        weights = g.add("Softmax", scores, axis=-1)
        return g.add("MatMul", weights, v), weights

    def rotate(self, x: str, positions: str, *, axes: int) -> str:
        """Rotary positions: pairs of columns turned by their position, as `nmt`'s model does.

        Args:
            x: heads and their width are its last axes.
            positions: of the last axis before these.
            axes: how many axes there are before these.
        """
        a, g = self._architecture, self.graph
        if a.positions != "rotary":
            return x
        rate = 10000.0 ** (-np.arange(0, a.head_width, 2) / a.head_width)
        angle = np.arange(a.max_positions)[:, None, None, None] * rate[:, None]
        cos, sin = (
            g.add("Gather", g.weight(name, table), positions, axis=0)
            for name, table in (("cosines", np.cos(angle)), ("sines", np.sin(angle)))
        )
        before = (0,) * (axes + 1)
        even, odd = g.split(g.reshape(x, *before, -1, 2), 2, axis=axes + 2)
        turned = (
            g.add("Sub", g.add("Mul", even, cos), g.add("Mul", odd, sin)),
            g.add("Add", g.add("Mul", even, sin), g.add("Mul", odd, cos)),
        )
        return g.reshape(g.add("Concat", *turned, axis=-1), *before, -1)
