"""Graph: build an ONNX model from nodes and constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import onnx

# Operator set 18 is the first one with all operators used here. The file format is equally old,
# because runtimes reject formats that are newer than they support.
_OPSET = 18
_FORMAT = 8


class Signature(NamedTuple):
    """An input or output of a model; named dimensions have no fixed size."""

    name: str
    dtype: DTypeLike
    shape: tuple[str | int, ...]


class Graph:
    """An ONNX graph that is built node by node.

    The package onnx is imported by its methods, so that this module can be imported without it.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[np.generic]] = {}

    def constant(self, array: NDArray[np.generic], name: str | None = None) -> str:
        """Add an array, and return its name."""
        name = name or f"constant_{len(self._constants)}"
        self._constants[name] = array
        return name

    def add(self, operator: str, *inputs: object, **attributes: object) -> str:
        """Add a node with one output, and return the name of the output.

        An input is the name of a value, or a constant: an array, a list of numbers or a number.
        Integers are converted to int64, and floats to float32.
        """
        return self.add_many(operator, 1, *inputs, **attributes)[0]

    def add_many(
        self, operator: str, n_outputs: int, *inputs: object, **attributes: Any
    ) -> list[str]:
        """Add a node, and return the names of its outputs."""
        from onnx import helper

        name = f"{operator}_{len(self._nodes)}"
        outputs = [name] if n_outputs == 1 else [f"{name}_{i}" for i in range(n_outputs)]
        names = [value if isinstance(value, str) else self._add_plain(value) for value in inputs]
        self._nodes.append(helper.make_node(operator, names, outputs, f"{name}_node", **attributes))
        return outputs

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a node that converts a value to a type."""
        return self.add("Cast", value, to=_element_type(dtype))

    def to_model(
        self,
        inputs: Sequence[Signature],
        outputs: Mapping[Signature, str],
        metadata: Mapping[str, str],
        **fields: object,
    ) -> onnx.ModelProto:
        """Return an ONNX model.

        Parameters
        ----------
        inputs : sequence of Signature
            Inputs, which nodes refer to by their names.
        outputs : mapping of Signature to str
            Outputs, and the names of their values.
        metadata : mapping of str to str
            Properties of the model.
        **fields
            Fields of the model, such as its producer.
        """
        from onnx import helper, numpy_helper

        used = {signature.name for signature in outputs}
        ends = [helper.make_node("Identity", [name], [to.name]) for to, name in outputs.items()]
        needed: list[onnx.NodeProto] = []
        for node in reversed([*self._nodes, *ends]):
            if not used.isdisjoint(node.output):
                used.update(node.input)
                needed.insert(0, node)
        for node in needed:
            # Outputs without a name are not computed.
            node.output[:] = [name if name in used else "" for name in node.output]
        constants = {name: array for name, array in self._constants.items() if name in used}
        arrays = [numpy_helper.from_array(array, name) for name, array in constants.items()]
        ids, results = (list(map(_value_info, part)) for part in (inputs, outputs))
        graph = helper.make_graph(needed, "lstm_text_classifier", ids, results, arrays)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_FORMAT, **fields)
        helper.set_model_props(model, dict(metadata))
        return model

    def _add_plain(self, value: object) -> str:
        return self.constant(np.asarray(value, np.float32 if isinstance(value, float) else None))


def _element_type(dtype: DTypeLike) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value_info(signature: Signature) -> onnx.ValueInfoProto:
    from onnx import helper

    element_type = _element_type(signature.dtype)
    return helper.make_tensor_value_info(signature.name, element_type, signature.shape)
