"""Keras's activations in ONNX: inside of an LSTM operator, and as nodes of a graph."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

from sklstm._export.graph import Graph


class LSTMActivation(NamedTuple):
    """A function that the ONNX operator LSTM knows, with its parameters where it has some."""

    name: str
    alpha: float | None = None
    beta: float | None = None


LSTM_ACTIVATIONS = {
    "celu": LSTMActivation("Elu", 1.0),
    "elu": LSTMActivation("Elu", 1.0),
    "hard_sigmoid": LSTMActivation("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": LSTMActivation("LeakyRelu", 0.2),
    "linear": LSTMActivation("Affine", 1.0, 0.0),
    "relu": LSTMActivation("Relu"),
    "sigmoid": LSTMActivation("Sigmoid"),
    "softplus": LSTMActivation("Softplus"),
    "softsign": LSTMActivation("Softsign"),
    "tanh": LSTMActivation("Tanh"),
}

# Operator, and attributes where Keras's values are not the operator's own.
_OPERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "celu": ("Celu", {}),
    "elu": ("Elu", {}),
    "exponential": ("Exp", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "linear": ("Identity", {}),
    "mish": ("Mish", {}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {}),
    "sigmoid": ("Sigmoid", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "tanh": ("Tanh", {}),
}
_BOUNDS = {"hard_tanh": (-1.0, 1.0), "relu6": (0.0, 6.0)}


def activated(graph: Graph, name: str, x: str) -> str:
    """Add the nodes of the Keras activation `name`, and return their output."""
    if name in _BOUNDS:
        return graph.add("Clip", x, *_BOUNDS[name])
    if name in ("silu", "swish"):
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if name == "gelu":
        share = graph.add("Add", graph.add("Erf", graph.add("Mul", x, 1 / sqrt(2))), 1.0)
        return graph.add("Mul", graph.add("Mul", x, 0.5), share)
    kind, attributes = _OPERATORS[name]
    return graph.add(kind, x, **attributes)
