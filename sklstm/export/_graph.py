"""Graph: the nodes and constants of an ONNX graph, and the model made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import onnx

# Operator set 18 is the first one with all operators used here. The file format is as old as it,
# because runtimes reject a format that is newer than they are.
_OPSET = 18
_FORMAT = 8


class Signature(NamedTuple):
    """An input or output of a model; named dimensions have no fixed size."""

    name: str
    dtype: DTypeLike
    shape: tuple[str | int, ...]


class _Node(NamedTuple):
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """An ONNX graph that is built node by node.

    The package onnx is only needed by `to_model`.
    """

    def __init__(self) -> None:
        self._nodes: list[_Node] = []
        self._constants: dict[str, NDArray[np.generic]] = {}

    def constant(self, array: NDArray[np.generic], name: str | None = None) -> str:
        """Add an array, and return its name."""
        name = name or f"constant_{len(self._constants)}"
        self._constants[name] = array
        return name

    def add(self, operator: str, *inputs: object, **attributes: object) -> str:
        """Add a node with one output, and return the name of the output.

        An input is the name of a value, or a constant: an array, numbers, or a number. Integers
        become int64, floats float32.
        """
        return self.add_many(operator, 1, *inputs, **attributes)[0]

    def add_many(
        self, operator: str, n_outputs: int, *inputs: object, **attributes: object
    ) -> list[str]:
        """Add a node, and return the names of its outputs."""
        name = f"{operator}_{len(self._nodes)}"
        outputs = [name] if n_outputs == 1 else [f"{name}_{i}" for i in range(n_outputs)]
        names = [value if isinstance(value, str) else self._add_plain(value) for value in inputs]
        self._nodes.append(_Node(operator, names, outputs, attributes))
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

        needed, used = self._needed(outputs)
        graph = helper.make_graph(
            [
                helper.make_node(
                    node.operator,
                    node.inputs,
                    # An output without a name is not computed.
                    [name if name in used else "" for name in node.outputs],
                    name=f"node_{number}",
                    **node.attributes,
                )
                for number, node in enumerate(needed)
            ],
            "lstm_text_classifier",
            [_value_info(signature) for signature in inputs],
            [_value_info(signature) for signature in outputs],
            [
                numpy_helper.from_array(array, name)
                for name, array in self._constants.items()
                if name in used
            ],
        )
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_FORMAT, **fields)
        helper.set_model_props(model, dict(metadata))
        return model

    def _needed(self, outputs: Mapping[Signature, str]) -> tuple[list[_Node], set[str]]:
        """Return the nodes that the outputs depend on, and the names of all values in use."""
        used = {signature.name for signature in outputs}
        needed: list[_Node] = []
        ends = [_Node("Identity", [name], [to.name], {}) for to, name in outputs.items()]
        for node in reversed([*self._nodes, *ends]):
            if not used.isdisjoint(node.outputs):
                used.update(node.inputs)
                needed.insert(0, node)
        return needed, used

    def _add_plain(self, value: object) -> str:
        return self.constant(np.asarray(value, np.float32 if isinstance(value, float) else None))


def _element_type(dtype: DTypeLike) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value_info(signature: Signature) -> onnx.ValueInfoProto:
    from onnx import helper

    name, dtype, shape = signature
    return helper.make_tensor_value_info(name, _element_type(dtype), shape)
