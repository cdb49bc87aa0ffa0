"""Draw the initial weights of a network, the same ones under every Keras backend."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]

EMBEDDINGS = "embedding/embeddings"
NGRAM_WEIGHTS = "ngrams/embeddings"
NGRAM_BIAS = "ngram_bias/embeddings"
#: Not trained, and only in models that are handed out: what stands for each id in n-grams.
NGRAM_IDS = "ngram_ids/embeddings"


def initial_weights(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> Weights:
    """Draw weights as Keras's layers do by default, from a generator of ours.

    Embeddings are uniform in +-0.05, input kernels Glorot uniform [1]_, recurrent kernels
    orthogonal for each of the four gates together [2]_, biases zero but for the forget gate's,
    which are one [3]_, weights of n-grams zero.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shape by weight name; the last part of a name tells the kind of weight.
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
    recurrent_layers = {_layer(name) for name in shapes if name.endswith("/recurrent_kernel")}
    weights = {}
    for name, shape in shapes.items():
        kind = name.rpartition("/")[2]
        if name in (NGRAM_WEIGHTS, NGRAM_BIAS):
            drawn = np.zeros(shape)
        elif kind == "embeddings":
            drawn = rng.uniform(-0.05, 0.05, shape)
        elif kind == "recurrent_kernel":
            drawn = _orthogonal(shape, rng)
        elif kind == "kernel":
            limit = np.sqrt(6.0 / sum(shape))
            drawn = rng.uniform(-limit, limit, shape)
        elif kind == "bias" and _layer(name) in recurrent_layers:
            drawn = np.repeat([0.0, 1.0, 0.0, 0.0], shape[0] // 4)
        elif kind == "bias":
            drawn = np.zeros(shape)
        else:
            raise ValueError(f"no initial values are known for a weight named {name!r}")
        weights[name] = drawn.astype(np.float32)
    return weights


def _layer(name: str) -> str:
    return name.rpartition("/")[0]


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a matrix with orthonormal rows, uniformly, for ``shape[0] <= shape[1]``."""
    n_rows, n_columns = shape
    q, r = np.linalg.qr(rng.standard_normal((n_columns, n_rows)))
    return np.asarray((q * np.sign(np.diag(r))).T)
