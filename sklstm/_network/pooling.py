"""Pooling methods, which combine the outputs of the last LSTM layer into one document vector.

Each method is a class with an entry in `POOLINGS`. The class defines the size of the output, the
Keras layers, the ONNX nodes, and the description in `LSTMTextClassifier.summary`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from keras import KerasTensor

# Added to the values at padding before a maximum or softmax, so that padding has no effect.
_LOWEST = -1e9


class DenseLayer(NamedTuple):
    """A dense layer of a pooling method, applied to the outputs at each token.

    Attributes
    ----------
    name : str
        Name of the layer, which is also the first part of the names of its weights.
    description : str
        Description in the summary.
    units : int
        Outputs per token.
    activation : str
        Keras activation.
    use_bias : bool
        Whether it has a bias.
    """

    name: str
    description: str
    units: int
    activation: str
    use_bias: bool


class OnnxGraph(Protocol):
    """The methods of `sklstm.export._graph.Graph` that a pooling uses."""

    def add(self, operator: str, *inputs: object, **attributes: object) -> str:
        """Add a node with one output, and return the name of the output."""

    def cast(self, value: str, dtype: type[np.generic]) -> str:
        """Add a node that converts a value to a type."""


@dataclass(frozen=True)
class KerasInputs:
    """Inputs of a pooling in a Keras model.

    Attributes
    ----------
    x : KerasTensor of shape (n_documents, width, n_outputs)
        Outputs of the last LSTM layer. Without `needs_sequence`, only the last output, of shape
        (n_documents, n_outputs).
    mask : KerasTensor of bool of shape (n_documents, width), or None
        True at tokens; None if padding is not masked.
    units : int
        Units of the layer in each direction.
    bidirectional : bool
        Whether the second half of the outputs belongs to the backward direction.
    dense : callable
        Creates the Keras layer of a `DenseLayer`.
    """

    x: KerasTensor
    mask: KerasTensor | None
    units: int
    bidirectional: bool
    dense: Callable[[DenseLayer], Callable[[KerasTensor], KerasTensor]]


@dataclass(frozen=True)
class OnnxInputs:
    """Inputs of a pooling in an ONNX graph, as names of values.

    Attributes
    ----------
    graph : OnnxGraph
        The graph that nodes are added to.
    x : str
        Outputs of the last LSTM layer, of shape (width, n_documents, n_outputs).
    last : str
        Last output of each direction, of shape (n_documents, n_outputs).
    mask : str or None
        1 at tokens and 0 at padding, of shape (width, n_documents, 1); None if padding is not
        masked.
    size : int
        Size of the document vector.
    dense : callable
        Adds the nodes of a dense layer without its activation. Takes the name of the layer and the
        name of the input, and returns the name of the output.
    """

    graph: OnnxGraph
    x: str
    last: str
    mask: str | None
    size: int
    dense: Callable[[str, str], str]


class Pooling(ABC):
    """A pooling. Subclasses implement `keras` and `onnx`."""

    #: Line in the summary.
    description: ClassVar[str]
    #: Whether the pooling uses the outputs at all tokens, not only the last one.
    needs_sequence: ClassVar[bool] = True
    #: Whether the output size depends on the width of the rows.
    depends_on_width: ClassVar[bool] = False

    def output_size(self, n_outputs: int, width: int | None) -> int:
        """Return the size of the document vector, given the outputs per token and the width."""
        return n_outputs

    def dense_layers(self, n_outputs: int) -> tuple[DenseLayer, ...]:
        """Return its dense layers, given the outputs per token."""
        return ()

    @abstractmethod
    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Return the document vectors, of shape (n_documents, size)."""

    @abstractmethod
    def onnx(self, inputs: OnnxInputs) -> str:
        """Add its nodes to a graph, and return the name of the document vectors."""


class Last(Pooling):
    """The output after the last token; the backward direction ends at the first one."""

    description = "the output after the last token"
    needs_sequence = False

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Return the input, which is already the last output."""
        return inputs.x

    def onnx(self, inputs: OnnxInputs) -> str:
        """Return the last output of the ONNX operator."""
        return inputs.last


class Max(Pooling):
    """Maximum over tokens."""

    description = "maximum over tokens"

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Take the maximum over tokens; documents without tokens get zeros."""
        keras, x, mask = _keras(), inputs.x, inputs.mask
        if mask is None:
            return keras.layers.GlobalMaxPooling1D(name="max_pooling")(x)
        weights = _as_weights(mask, x)
        highest = keras.ops.max(x * weights + (weights - 1.0) * -_LOWEST, axis=1)
        return highest * keras.ops.max(weights, axis=1)

    def onnx(self, inputs: OnnxInputs) -> str:
        """Take the maximum over tokens; documents without tokens get zeros."""
        graph, x, mask = inputs.graph, inputs.x, inputs.mask
        if mask is None:
            return graph.add("ReduceMax", x, [0], keepdims=0)
        highest = graph.add("ReduceMax", _lowest_at_padding(graph, x, mask), [0], keepdims=0)
        return graph.add("Mul", highest, graph.add("ReduceMax", mask, [0], keepdims=0))


class Mean(Pooling):
    """Mean over tokens."""

    description = "mean over tokens"

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Take the mean over tokens; documents without tokens get zeros."""
        keras, x, mask = _keras(), inputs.x, inputs.mask
        if mask is None:
            return keras.layers.GlobalAveragePooling1D(name="mean_pooling")(x)
        ops, weights = keras.ops, _as_weights(mask, x)
        return ops.sum(x * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)

    def onnx(self, inputs: OnnxInputs) -> str:
        """Take the mean over tokens; documents without tokens get zeros."""
        graph, x, mask = inputs.graph, inputs.x, inputs.mask
        if mask is None:
            return graph.add("ReduceMean", x, [0], keepdims=0)
        total = graph.add("ReduceSum", graph.add("Mul", x, mask), [0], keepdims=0)
        n_tokens = graph.add("ReduceSum", mask, [0], keepdims=0)
        return graph.add("Div", total, graph.add("Max", n_tokens, 1.0))


class Attention(Pooling):
    """Mean over tokens, weighted by learned relevance: the word attention of Yang et al. (2016)."""

    description = "mean over tokens, weighted by relevance"

    def dense_layers(self, n_outputs: int) -> tuple[DenseLayer, ...]:
        """Return the hidden layer, and the layer that computes the relevance of each token."""
        return (
            DenseLayer("attention_hidden", "dense, tanh", n_outputs, "tanh", True),
            DenseLayer("attention_relevance", "relevance of each token", 1, "linear", False),
        )

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Weight the tokens by a softmax of their relevance."""
        ops, x, mask = _keras().ops, inputs.x, inputs.mask
        hidden, relevance = map(inputs.dense, self.dense_layers(x.shape[-1]))
        scores = relevance(hidden(x))
        if mask is None:
            return ops.sum(ops.softmax(scores, axis=1) * x, axis=1)
        weights = _as_weights(mask, x)
        attention = ops.softmax(scores + (weights - 1.0) * -_LOWEST, axis=1) * weights
        return ops.sum(attention * x, axis=1)

    def onnx(self, inputs: OnnxInputs) -> str:
        """Weight the tokens by a softmax of their relevance."""
        graph, x, mask = inputs.graph, inputs.x, inputs.mask
        hidden = graph.add("Tanh", inputs.dense("attention_hidden", x))
        scores = inputs.dense("attention_relevance", hidden)
        if mask is None:
            attention = graph.add("Softmax", scores, axis=0)
        else:
            attention = graph.add("Softmax", _lowest_at_padding(graph, scores, mask), axis=0)
            attention = graph.add("Mul", attention, mask)
        return graph.add("ReduceSum", graph.add("Mul", x, attention), [0], keepdims=0)


class Concat(Pooling):
    """Concatenation of the last output, the maximum and the mean."""

    description = "last, maximum and mean over tokens"

    def output_size(self, n_outputs: int, width: int | None) -> int:
        """Return three times the outputs per token."""
        return 3 * n_outputs

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Concatenate the three poolings."""
        parts = [_last_of_sequence(inputs), Max().keras(inputs), Mean().keras(inputs)]
        return _keras().layers.Concatenate(name="pooling")(parts)

    def onnx(self, inputs: OnnxInputs) -> str:
        """Concatenate the three poolings."""
        parts = [inputs.last, Max().onnx(inputs), Mean().onnx(inputs)]
        return inputs.graph.add("Concat", *parts, axis=1)


class MaxMean(Pooling):
    """Concatenation of the maximum and the mean."""

    description = "maximum and mean over tokens"

    def output_size(self, n_outputs: int, width: int | None) -> int:
        """Return twice the outputs per token."""
        return 2 * n_outputs

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Concatenate the two poolings."""
        parts = [Max().keras(inputs), Mean().keras(inputs)]
        return _keras().layers.Concatenate(name="pooling")(parts)

    def onnx(self, inputs: OnnxInputs) -> str:
        """Concatenate the two poolings."""
        return inputs.graph.add("Concat", Max().onnx(inputs), Mean().onnx(inputs), axis=1)


class Flatten(Pooling):
    """Concatenation of the outputs at all positions, with zeros at padding."""

    description = "the outputs at all positions, concatenated"
    depends_on_width = True

    def output_size(self, n_outputs: int, width: int | None) -> int:
        """Return the outputs per token times the width."""
        assert width is not None
        return n_outputs * width

    def keras(self, inputs: KerasInputs) -> KerasTensor:
        """Concatenate the outputs at all positions."""
        x, mask = inputs.x, inputs.mask
        if mask is not None:
            x = x * _as_weights(mask, x)
        return _keras().layers.Flatten(name="pooling")(x)

    def onnx(self, inputs: OnnxInputs) -> str:
        """Concatenate the outputs at all positions."""
        graph, x, mask = inputs.graph, inputs.x, inputs.mask
        masked = x if mask is None else graph.add("Mul", x, mask)
        by_document = graph.add("Transpose", masked, perm=[1, 0, 2])
        return graph.add("Reshape", by_document, [-1, inputs.size])


#: The poolings by the value of the parameter `pooling`.
POOLINGS: dict[str, Pooling] = {
    "last": Last(),
    "max": Max(),
    "mean": Mean(),
    "attention": Attention(),
    "concat": Concat(),
    "max_mean": MaxMean(),
    "flatten": Flatten(),
}


def _keras() -> ModuleType:
    from sklstm._runtime import keras

    return keras


def _as_weights(mask: KerasTensor, x: KerasTensor) -> KerasTensor:
    """Convert a mask to 1 and 0 in the dtype of `x`, with an additional last axis."""
    ops = _keras().ops
    return ops.expand_dims(ops.cast(mask, x.dtype), -1)


def _last_of_sequence(inputs: KerasInputs) -> KerasTensor:
    """Return the output after the last token of each direction."""
    ops, x, units = _keras().ops, inputs.x, inputs.units
    if inputs.mask is None:
        ends = [x[:, -1, :units], x[:, 0, units:]]
    else:
        tokens_so_far = ops.cumsum(ops.cast(inputs.mask, "int32"), axis=1)
        is_last = ops.logical_and(inputs.mask, ops.equal(tokens_so_far, tokens_so_far[:, -1:]))
        is_first = ops.logical_and(inputs.mask, ops.equal(tokens_so_far, 1))
        ends = [
            ops.sum(x[:, :, :units] * _as_weights(is_last, x), axis=1),
            ops.sum(x[:, :, units:] * _as_weights(is_first, x), axis=1),
        ]
    return ops.concatenate(ends, axis=-1) if inputs.bidirectional else ends[0]


def _lowest_at_padding(graph: OnnxGraph, x: str, mask: str) -> str:
    return graph.add("Where", graph.cast(mask, np.bool_), x, _LOWEST)
