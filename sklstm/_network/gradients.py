"""Differentiate the scores of a network by the vectors of its embedding, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sklstm._network.initial import EMBEDDINGS
from sklstm._network.network import Network
from sklstm._runtime import keras

Floats = NDArray[np.float32]
Gradient = Callable[[Floats, NDArray[np.int32], Floats], tuple[Floats, Floats]]

# What JAX has compiled for a network, as long as that is kept.
_compiled: WeakKeyDictionary[Network, Callable[..., Any]] = WeakKeyDictionary()


def gradient_by_vectors(network: Network, weights: Mapping[str, Floats]) -> Gradient:
    """Return a function to scores of documents, and to their gradient by the embedding matrix.

    Give each place in each document a row of the matrix to itself: the gradient by that row is then
    the one by the vector that was read there.

    Parameters
    ----------
    network : Network
        Whose embeddings are trainable.
    weights : mapping of str to ndarray of float32
        As in `Network.load`; the embeddings among them do not matter.

    Returns
    -------
    gradient : callable
        From an embedding matrix of as many rows as ``network.spec.vocab_size``, ids
        ``(n_rows, width)`` and the share of each logit in the score ``(n_rows, n_outputs)``, to
        the scores ``(n_rows,)`` and the gradient of their sum, of the shape of the matrix.
    """
    on_backend = {"jax": _on_jax, "tensorflow": _on_tensorflow, "torch": _on_torch}
    return on_backend[keras.backend.backend()](network, weights)


def _on_jax(network: Any, weights: Mapping[str, Floats]) -> Gradient:
    import jax

    if network not in _compiled:
        _compiled[network] = _jax_function(network)
    function = _compiled[network]
    others = jax.device_put({name: w for name, w in weights.items() if name != EMBEDDINGS})

    def gradient(matrix: Floats, ids: NDArray[np.int32], shares: Floats) -> tuple[Floats, Floats]:
        scores, by_matrix = function(ids.shape, others, matrix, ids, shares)
        return np.asarray(scores), np.asarray(by_matrix)

    return gradient


def _jax_function(network: Any) -> Callable[..., Any]:
    import jax

    from sklstm._network.jax_steps import score_function

    logits_of = score_function(network.model)

    def total(matrix: Any, others: Any, ids: Any, shares: Any) -> tuple[Any, Any]:
        scores = (logits_of(others | {EMBEDDINGS: matrix}, ids) * shares).sum(axis=1)
        return scores.sum(), scores

    def scores_and_gradient(others: Any, matrix: Any, ids: Any, shares: Any) -> tuple[Any, Any]:
        by_matrix, scores = jax.grad(total, has_aux=True)(matrix, others, ids, shares)
        return scores, by_matrix

    return network._compiled(scores_and_gradient, one_core=True)


def _on_tensorflow(network: Network, weights: Mapping[str, Floats]) -> Gradient:
    import tensorflow as tf

    model, embeddings = _loaded(network, weights)

    def gradient(matrix: Floats, ids: NDArray[np.int32], shares: Floats) -> tuple[Floats, Floats]:
        embeddings.assign(matrix)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(embeddings.value)
            scores = keras.ops.sum(model(ids, training=False) * shares, axis=1)
            total = keras.ops.sum(scores)
        by_matrix = tf.convert_to_tensor(tape.gradient(total, embeddings.value))
        return scores.numpy(), by_matrix.numpy()

    return gradient


def _on_torch(network: Network, weights: Mapping[str, Floats]) -> Gradient:
    import torch

    model, embeddings = _loaded(network, weights)

    def gradient(matrix: Floats, ids: NDArray[np.int32], shares: Floats) -> tuple[Floats, Floats]:
        embeddings.assign(matrix)
        with torch.enable_grad():
            logits = model(ids, training=False)
            scores = keras.ops.sum(logits * keras.ops.convert_to_tensor(shares), axis=1)
            (by_matrix,) = torch.autograd.grad(scores.sum(), embeddings.value)
        to_numpy = keras.ops.convert_to_numpy
        return to_numpy(scores), to_numpy(by_matrix)

    return gradient


def _loaded(network: Network, weights: Mapping[str, Floats]) -> tuple[Any, Any]:
    """Return the model of a network with weights of ours, and the variable of its embeddings."""
    network.load({**weights, EMBEDDINGS: weights[EMBEDDINGS][:0]})
    return network.model, network._variables[EMBEDDINGS]
