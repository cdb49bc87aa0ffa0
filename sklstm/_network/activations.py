"""The activations of Keras, with their ONNX nodes: an activation is one entry in `ACTIVATIONS`."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from sklstm._network.pooling import OnnxGraph

AddNodes = Callable[[OnnxGraph, str], str]


class OnnxLSTMActivation(NamedTuple):
    """An activation inside the ONNX operator LSTM, with its parameters if it has any."""

    name: str
    alpha: float | None = None
    beta: float | None = None


class Activation(NamedTuple):
    """An activation of Keras.

    Attributes
    ----------
    onnx : callable
        Adds its nodes to an ONNX graph. Takes the graph and the name of the input, and returns the
        name of the output.
    onnx_lstm : OnnxLSTMActivation or None
        The same function in the ONNX operator LSTM; None if the operator lacks it.
    """

    onnx: AddNodes
    onnx_lstm: OnnxLSTMActivation | None = None


def _operator(operator: str, *inputs: float, **attributes: float) -> AddNodes:
    return lambda graph, x: graph.add(operator, x, *inputs, **attributes)


def _gelu(graph: OnnxGraph, x: str) -> str:
    doubled_cdf = graph.add("Add", graph.add("Erf", graph.add("Mul", x, 1 / sqrt(2))), 1.0)
    return graph.add("Mul", graph.add("Mul", x, 0.5), doubled_cdf)


def _silu(graph: OnnxGraph, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


_LSTM = OnnxLSTMActivation

#: The activations by their names in Keras. Attributes are given where the defaults of Keras and
#: ONNX differ.
ACTIVATIONS = {
    "celu": Activation(_operator("Celu"), _LSTM("Elu", 1.0)),
    "elu": Activation(_operator("Elu"), _LSTM("Elu", 1.0)),
    "exponential": Activation(_operator("Exp")),
    "gelu": Activation(_gelu),
    "hard_sigmoid": Activation(
        _operator("HardSigmoid", alpha=1 / 6, beta=0.5), _LSTM("HardSigmoid", 1 / 6, 0.5)
    ),
    "hard_silu": Activation(_operator("HardSwish")),
    "hard_tanh": Activation(_operator("Clip", -1.0, 1.0)),
    "leaky_relu": Activation(_operator("LeakyRelu", alpha=0.2), _LSTM("LeakyRelu", 0.2)),
    "linear": Activation(_operator("Identity"), _LSTM("Affine", 1.0, 0.0)),
    "mish": Activation(_operator("Mish")),
    "relu": Activation(_operator("Relu"), _LSTM("Relu")),
    "relu6": Activation(_operator("Clip", 0.0, 6.0)),
    "selu": Activation(_operator("Selu")),
    "sigmoid": Activation(_operator("Sigmoid"), _LSTM("Sigmoid")),
    "silu": Activation(_silu),
    "softplus": Activation(_operator("Softplus"), _LSTM("Softplus")),
    "softsign": Activation(_operator("Softsign"), _LSTM("Softsign")),
    "swish": Activation(_silu),
    "tanh": Activation(_operator("Tanh"), _LSTM("Tanh")),
}
