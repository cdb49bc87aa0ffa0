"""Collect the nodes and constants of an ONNX graph, and make a model of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import onnx

# Operator set 18 is the first with all operators used here. The file format is as old as it, for
# runtimes refuse a format that is newer than they are.
_OPSET = 18
_FORMAT = 8

# The name of another node's output, or a constant: plain ints are 64 bits wide, floats 32.
Value = str | NDArray[Any] | np.generic | Sequence[int] | int | float


class Signature(NamedTuple):
    """An input or output of a model; named dimensions are free."""

    name: str
    dtype: DTypeLike
    shape: tuple[str | int, ...]


class _Node(NamedTuple):
    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """An ONNX graph that grows node by node.

    Nothing of the package onnx is needed before `to_model`.
    """

    def __init__(self) -> None:
        self._nodes: list[_Node] = []
        self._constants: dict[str, NDArray[Any]] = {}

    def constant(self, array: NDArray[Any], name: str | None = None) -> str:
        """Add an array, and return its name."""
        name = name or f"constant_{len(self._constants)}"
        self._constants[name] = array
        return name

    def add(self, kind: str, *inputs: Value, **attributes: Any) -> str:
        """Add a node of an operator with one output, and return the name of that."""
        return self.add_many(kind, 1, *inputs, **attributes)[0]

    def add_many(self, kind: str, n_outputs: int, *inputs: Value, **attributes: Any) -> list[str]:
        """Add a node of an operator, and return the names of its outputs."""
        name = f"{kind}_{len(self._nodes)}"
        outputs = [name] if n_outputs == 1 else [f"{name}_{i}" for i in range(n_outputs)]
        names = [value if isinstance(value, str) else self._of_plain(value) for value in inputs]
        self._nodes.append(_Node(kind, names, outputs, attributes))
        return outputs

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a node that converts a value to a type."""
        return self.add("Cast", value, to=np.dtype(dtype))

    def to_model(
        self,
        inputs: Sequence[Signature],
        outputs: Mapping[Signature, str],
        metadata: Mapping[str, str],
        **about: Any,
    ) -> onnx.ModelProto:
        """Return an ONNX model.

        Parameters
        ----------
        inputs : sequence of Signature
            What the nodes take by these names.
        outputs : mapping of Signature to str
            What the model gives, and the output of a node that it is.
        metadata : mapping of str to str
            Stands in the model for its users.
        **about
            Fields of the model, such as its producer.
        """
        from onnx import helper, numpy_helper

        needed, used = self._needed(outputs)
        graph = helper.make_graph(
            [
                helper.make_node(
                    node.kind,
                    node.inputs,
                    # An output without a name is not computed.
                    [name if name in used else "" for name in node.outputs],
                    name=f"node_{number}",
                    **{key: _attribute(value) for key, value in node.attributes.items()},
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
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_FORMAT, **about)
        helper.set_model_props(model, dict(metadata))
        return model

    def _needed(self, outputs: Mapping[Signature, str]) -> tuple[list[_Node], set[str]]:
        """Return the nodes that the outputs need, and the names of all that is used."""
        used = {signature.name for signature in outputs}
        needed: list[_Node] = []
        ends = [_Node("Identity", [name], [to.name], {}) for to, name in outputs.items()]
        for node in reversed([*self._nodes, *ends]):
            if not used.isdisjoint(node.outputs):
                used.update(node.inputs)
                needed.insert(0, node)
        return needed, used

    def _of_plain(self, value: Value) -> str:
        if isinstance(value, float):
            return self.constant(np.array(value, dtype=np.float32))
        return self.constant(np.asarray(value))


def _attribute(value: Any) -> Any:
    return _element_type(value) if isinstance(value, np.dtype) else value


def _element_type(dtype: DTypeLike) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value_info(signature: Signature) -> onnx.ValueInfoProto:
    from onnx import helper

    name, dtype, shape = signature
    return helper.make_tensor_value_info(name, _element_type(dtype), shape)
