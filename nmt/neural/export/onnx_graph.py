"""ONNX graphs written down operator by operator.

Exporters that trace PyTorch depend on its version and on that of another package, and give graphs
that nobody reads. A Transformer needs a dozen operators, so its graphs are built here directly; a
value of the graph is the name of a tensor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nmt.errors import UserError

OPSET: Final = 20
"""Operators of ONNX 1.15; ONNX Runtime knows them from 1.17 on."""
_IR_VERSION: Final = 9
_LARGEST: Final = 2_000_000_000
"""Bytes that a file of the format can hold."""

TYPES: Final = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.int64): TensorProto.INT64,
}


class Graph:
    """A graph that grows; methods add operators and return the names of what they compute."""

    def __init__(self, dtype: type[np.floating[Any]] = np.float32) -> None:
        """Begin without operators.

        Args:
            dtype: of the weights and of what is computed from them.
        """
        self.dtype = np.dtype(dtype)
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: tuple[int | str, ...], *, integer: bool = False) -> str:
        """An input of 64-bit integers or of the graph's type; sizes with names may vary."""
        kind = TensorProto.INT64 if integer else TYPES[self.dtype]
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, shape: tuple[int | str, ...]) -> None:
        """Give a value out, as float32 if it is not what goes back in."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TYPES[self.dtype], shape))

    def float_output(self, name: str, value: str, shape: tuple[int | str, ...]) -> None:
        """Give a value out as float32."""
        self._nodes.append(helper.make_node("Cast", [value], [name], to=TensorProto.FLOAT))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def weight(self, name: str, array: np.ndarray) -> str:
        """A constant under a name of its own; the same name again is the same constant."""
        if name not in self._constants:
            array = np.ascontiguousarray(array.astype(self.dtype))
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def integers(self, *values: int) -> str:
        """A constant vector of integers."""
        name = "integers_" + "_".join(map(str, values))
        if name not in self._constants:
            array = np.array(values, dtype=np.int64)
            self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def number(self, value: float) -> str:
        """A constant number of the graph's type."""
        return self.weight(f"number_{value!r}", np.array(value))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output."""
        name = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def split(self, value: str, parts: int, axis: int) -> list[str]:
        """Equal parts of a value."""
        names = [f"Split_{len(self._nodes)}_{part}" for part in range(parts)]
        node = helper.make_node("Split", [value], names, axis=axis, num_outputs=parts)
        self._nodes.append(node)
        return names

    def reshape(self, value: str, *sizes: int) -> str:
        """Other sizes; 0 keeps one, -1 takes what is left."""
        return self.add("Reshape", value, self.integers(*sizes))

    def unsqueeze(self, value: str, *axes: int) -> str:
        """The same with further axes of size 1."""
        return self.add("Unsqueeze", value, self.integers(*axes))

    def size(self, value: str, axis: int) -> str:
        """The size of an axis, a vector of one number."""
        return self.add("Shape", value, start=axis, end=axis + 1)

    def count(self, until: str) -> str:
        """``0, 1, ... until - 1``, ``until`` being a vector of one number."""
        scalar = self.add("Squeeze", until)
        zero, one = (self.add("Squeeze", self.integers(n)) for n in (0, 1))
        return self.add("Range", zero, scalar, one)

    def hidden_where(self, hidden: str) -> str:
        """Minus infinity where ``hidden`` is true, 0 elsewhere: to be added to scores."""
        return self.add("Where", hidden, self.number(-np.inf), self.number(0.0))

    def save(self, path: Path, name: str) -> None:
        """Check the graph and write it.

        Raises UserError if it is more than a file of the format can hold.
        """
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=_IR_VERSION,
            producer_name="bitext-nmt",
        )
        if model.ByteSize() > _LARGEST:
            raise UserError(
                f"an ONNX file holds 2 GB, and the {name} has {model.ByteSize() / 1e9:.1f} GB",
                mend="export with --quantization float16 or to ctranslate2",
            )
        onnx.checker.check_model(model, full_check=True)
        onnx.save_model(model, path)
