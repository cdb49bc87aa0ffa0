"""Descriptions of a network and its training as plain data, weight shapes and initial weights.

This module does not use Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from sklstm._network.aligned import align
from sklstm._network.pooling import POOLINGS, OnnxGraph
from sklstm._runtime import one_blas_thread

Ids = NDArray[np.int32]
Lengths = NDArray[np.int64]
Floats = NDArray[np.float32]
Weights = dict[str, Floats]
Shapes = dict[str, tuple[int, ...]]

EMBEDDINGS = "embedding/embeddings"
NGRAM_WEIGHTS = "ngrams/embeddings"
#: Frozen weight: the checksum of the n-gram to which the weights of a bucket apply.
NGRAM_CHECKSUMS = "ngram_checksums/embeddings"
NGRAM_BIAS = "ngram_bias/embeddings"
#: Frozen weight: the score of each token by its prefixes and its vector, in the linear model.
TOKEN_SCORES = "token_scores/embeddings"
OUTPUT_BIAS = "output/bias"
#: Frozen weight of exported models only: the id that replaces each token id in n-grams.
NGRAM_IDS = "ngram_ids/embeddings"

#: Weights that the linear model sets, with the initial value zero.
OF_LINEAR_MODEL = frozenset({NGRAM_WEIGHTS, NGRAM_CHECKSUMS, NGRAM_BIAS, TOKEN_SCORES})
#: Weights with one row per row of the embedding matrix.
BY_ROW = frozenset({EMBEDDINGS, TOKEN_SCORES})

#: Order of the gates in the kernels and biases of an LSTM, as in Keras.
GATES = ("input", "forget", "cell", "output")

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
        Adds the nodes of the activation to an ONNX graph. Takes the graph and the name of the
        input, and returns the name of the output.
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

#: Keras optimizers. True if an update depends on the shape of the whole matrix, so that additional
#: zero rows in the embeddings would change it.
OPTIMIZERS = {"adadelta": False, "adafactor": True, "adagrad": False, "adam": False}
OPTIMIZERS |= dict.fromkeys(("adamax", "adamw", "ftrl", "lion", "nadam", "rmsprop", "sgd"), False)

# Vocabulary sizes are rounded up to one of this many sizes per doubling, so that the folds of a
# corpus use the same compiled network although their vocabulary sizes differ slightly. The relative
# differences are larger for small vocabularies, which all get the same size.
_SIZES_PER_DOUBLING = 8
_MIN_ROWS = 1024


@dataclass(frozen=True)
class NetworkSpec:
    """An architecture, from token ids to one logit per output.

    Equal specs describe interchangeable networks. The fields are the parameters of
    `LSTMTextClassifier` that shape the network, and properties of the training data.
    """

    vocab_size: int
    n_outputs: int
    output_activation: str
    width: int | None = None
    """Token ids per row; None if the network does not depend on the width."""
    embedding_dim: int = 64
    trainable_embeddings: bool = True
    units: tuple[int, ...] = (64,)
    bidirectional: bool = False
    pooling: str = "last"
    dense_units: tuple[int, ...] = ()
    activation: str = "tanh"
    dense_activation: str = "relu"
    mask_padding: bool = True
    embedding_dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    dropout: float = 0.0
    dense_dropout: float = 0.0
    ngrams: int = 0
    ngram_buckets: int = 0
    token_scores: bool = False
    """Whether the linear model has a score for each token, by its prefixes and its vector."""
    trainable_ngrams: bool = False
    """Whether gradient descent trains the n-gram weights, as in `partial_fit`. Otherwise they are
    fitted before the LSTM is trained."""
    ngram_rows: int = 0
    """Number of leading embedding rows that are used for n-grams: the rows of tokens seen in
    training. Later rows are treated as out-of-vocabulary in n-grams. 0 means all rows."""

    @property
    def lstm_outputs(self) -> int:
        """Outputs of the last LSTM layer per token."""
        return self.units[-1] * (2 if self.bidirectional else 1)

    @property
    def vector_size(self) -> int:
        """Size of the pooled document vector."""
        return POOLINGS[self.pooling].output_size(self.lstm_outputs, self.width)

    @property
    def for_scoring(self) -> NetworkSpec:
        """The network without the dropout that only training uses.

        `recurrent_dropout` stays, because with it scoring has another loop over time as well.
        """
        return replace(
            self, embedding_dropout=0.0, input_dropout=0.0, dropout=0.0, dense_dropout=0.0
        )

    @property
    def depends_on_width(self) -> bool:
        """Whether the network accepts only rows of a fixed width."""
        return not self.mask_padding or POOLINGS[self.pooling].depends_on_width


@dataclass(frozen=True)
class TrainingSpec:
    """Settings that, in addition to the spec of a network, determine its compiled training step."""

    optimizer: str = "adam"
    clipnorm: float | None = None
    weight_decay: float = 0.0
    label_smoothing: float = 0.0


def split_targets(targets: Any, n_outputs: int) -> tuple[Any, Any]:
    """Split targets into those of the outputs, and the label weights that may follow them.

    Parameters
    ----------
    targets : array or KerasTensor of shape (n, n_outputs) or (n, 2 * n_outputs)
        As in `Examples`.
    n_outputs : int
        Number of outputs.

    Returns
    -------
    targets : array or KerasTensor of shape (n, n_outputs)
    label_weights : array or KerasTensor of shape (n, n_outputs), or None
    """
    if targets.shape[-1] == n_outputs:
        return targets, None
    return targets[:, :n_outputs], targets[:, n_outputs:]


def probabilities(logits: Floats, output_activation: str) -> Floats:
    """Convert logits ``(n, n_outputs)`` to probabilities of the same shape."""
    scores = expit(logits) if output_activation == "sigmoid" else softmax(logits, axis=1)
    return np.asarray(scores, dtype=np.float32)


def padded_size(n_rows: int) -> int:
    """Round up a number of embedding rows, so that similar numbers give the same size."""
    n_rows = max(n_rows, _MIN_ROWS)
    step = 2 ** (n_rows.bit_length() - 1) // _SIZES_PER_DOUBLING
    return ceil(n_rows / step) * step


def align_weights(weights: Weights) -> Weights:
    """Return weights that a network reads in place, unless they are in a memory-mapped file."""
    return {
        name: weight
        if isinstance(weight, np.memmap)
        else align(weight, padded_size(len(weight)) if name in BY_ROW else len(weight))
        for name, weight in weights.items()
    }


def weight_shapes(spec: NetworkSpec) -> Shapes:
    """Return the shape of each weight of a network by name, in no particular order."""
    shapes: Shapes = {EMBEDDINGS: (spec.vocab_size, spec.embedding_dim)}
    n_inputs = spec.embedding_dim
    directions = ("/forward", "/backward") if spec.bidirectional else ("",)
    for number, units in enumerate(spec.units, start=1):
        for direction in directions:
            cell = f"lstm_{number}{direction}"
            shapes |= _dense_shapes(cell, n_inputs, 4 * units)
            shapes[f"{cell}/recurrent_kernel"] = (units, 4 * units)
        n_inputs = len(directions) * units
    for layer in POOLINGS[spec.pooling].dense_layers(n_inputs):
        shapes |= _dense_shapes(layer.name, n_inputs, layer.units, layer.use_bias)
    n_inputs = spec.vector_size
    for number, units in enumerate(spec.dense_units, start=1):
        shapes |= _dense_shapes(f"dense_{number}", n_inputs, units)
        n_inputs = units
    if spec.ngrams:
        shapes[NGRAM_WEIGHTS] = (spec.ngram_buckets, spec.n_outputs)
        shapes[NGRAM_CHECKSUMS] = (spec.ngram_buckets, 1)
        shapes[NGRAM_BIAS] = (1, spec.n_outputs)
    if spec.token_scores:
        shapes[TOKEN_SCORES] = (spec.vocab_size, spec.n_outputs)
    return shapes | _dense_shapes("output", n_inputs, spec.n_outputs)


def _dense_shapes(name: str, n_inputs: int, n_outputs: int, use_bias: bool = True) -> Shapes:
    shapes: Shapes = {f"{name}/kernel": (n_inputs, n_outputs)}
    return shapes | {f"{name}/bias": (n_outputs,)} if use_bias else shapes


def initial_weights(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> Weights:
    """Draw weights with the default initializers of Keras layers, independent of the backend.

    Embeddings are uniform in [-0.05, 0.05], input kernels Glorot uniform [1]_, recurrent kernels
    orthogonal across all four gates [2]_, biases zero except for those of the forget gates, which
    are one [3]_, and those of the linear model zero.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape by weight name. The last part of a name is the kind of weight.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    weights : dict of str to ndarray of float32
        In the order of `shapes`.

    References
    ----------
    .. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward
       neural networks", AISTATS 2010.
    .. [2] A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of
       learning in deep linear neural networks", ICLR 2014.
    .. [3] R. Jozefowicz, W. Zaremba and I. Sutskever, "An empirical exploration of recurrent
       network architectures", ICML 2015.
    """
    recurrent = {n.removesuffix("/recurrent_kernel") for n in shapes if "/recurrent_kernel" in n}
    weights = {}
    for name, shape in shapes.items():
        layer, _, kind = name.rpartition("/")
        if name in OF_LINEAR_MODEL or (kind == "bias" and layer not in recurrent):
            drawn = np.zeros(shape)
        elif kind == "embeddings":
            drawn = rng.uniform(-0.05, 0.05, shape)
        elif kind == "recurrent_kernel":
            drawn = _orthogonal(shape, rng)
        elif kind == "kernel":
            limit = np.sqrt(6.0 / sum(shape))
            drawn = rng.uniform(-limit, limit, shape)
        elif kind == "bias":
            is_forget = [float(gate == "forget") for gate in GATES]
            drawn = np.repeat(is_forget, shape[0] // len(GATES))
        else:
            raise ValueError(f"There is no rule for the initial values of the weight {name!r}.")
        weights[name] = drawn.astype(np.float32)
    return weights


@one_blas_thread()
def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a matrix with orthonormal rows, uniformly, for ``shape[0] <= shape[1]``."""
    n_rows, n_columns = shape
    q, r = np.linalg.qr(rng.standard_normal((n_columns, n_rows)))
    return np.asarray((q * np.sign(np.diag(r))).T)
