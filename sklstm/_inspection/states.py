"""Compute what an LSTM layer does at each token, by its equations, from the weights alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sklstm._fit import network_inputs
from sklstm._network.initial import EMBEDDINGS
from sklstm.classifier import LSTMTextClassifier

Floats = NDArray[np.float64]
_Activation = Callable[[Floats], Floats]

# In the order of the arrays that this module returns: the gates as in Keras's weights, then states.
QUANTITIES = (
    "input_gate",
    "forget_gate",
    "candidate",
    "output_gate",
    "cell_state",
    "hidden_state",
)

# Documents of like length that are computed together.
_ROWS = 64


def layer_states(
    classifier: LSTMTextClassifier, ids: NDArray[np.int32], number: int
) -> list[NDArray[np.float32]]:
    """Return the gates and states of an LSTM layer for each document.

    Parameters
    ----------
    classifier : LSTMTextClassifier
        Fitted.
    ids : ndarray of int32 of shape (n_documents, width)
        Checked token ids.
    number : int
        Of the layer, from 0.

    Returns
    -------
    states : list of ndarray of float32 of shape (n_quantities, n_tokens, n_units)
        In the order of `QUANTITIES`; of a bidirectional layer the units that read forwards come
        first.
    """
    rows, spec, weights = classifier._met(ids)
    inputs, lengths = network_inputs(rows, spec)
    activation = _activation(spec.activation)
    found: list[Any] = [None] * len(ids)
    by_length = np.argsort(lengths, kind="stable")
    for batch in np.array_split(by_length, ceil(len(ids) / _ROWS)):
        of_batch = lengths[batch]
        x = weights[EMBEDDINGS][inputs[batch, : of_batch.max()]].astype(np.float64)
        for layer in range(number + 1):
            name = f"lstm_{layer + 1}"
            states = _run_layer(x, of_batch, weights, name, spec.bidirectional, activation)
            x = states[-1]
        for row, document in enumerate(batch):
            found[document] = states[:, row, : lengths[document]].astype(np.float32)
    return found


def _run_layer(
    x: Floats,
    lengths: NDArray[np.int64],
    weights: Mapping[str, NDArray[np.float32]],
    name: str,
    bidirectional: bool,
    activation: _Activation,
) -> Floats:
    """Return gates and states ``(n_quantities, n_rows, n_steps, n_units)`` of one layer.

    Behind the last token of a row they are of no document.
    """
    if not bidirectional:
        return _run(x, weights, name, activation)
    steps = np.arange(x.shape[1])
    # Reading this order twice gives the one before.
    backwards = np.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    forward = _run(x, weights, f"{name}/forward", activation)
    reversed_x = np.take_along_axis(x, backwards[:, :, None], axis=1)
    backward = _run(reversed_x, weights, f"{name}/backward", activation)
    backward = np.take_along_axis(backward, backwards[None, :, :, None], axis=2)
    return np.concatenate([forward, backward], axis=-1)


def _run(
    x: Floats, weights: Mapping[str, NDArray[np.float32]], cell: str, activation: _Activation
) -> Floats:
    """Run one direction over ``(n_rows, n_steps, n_inputs)``, from states of zeros."""
    kernel, recurrent_kernel, bias = (
        weights[f"{cell}/{kind}"].astype(np.float64)
        for kind in ("kernel", "recurrent_kernel", "bias")
    )
    n_rows, n_steps, n_units = *x.shape[:2], len(recurrent_kernel)
    states = np.empty((len(QUANTITIES), n_rows, n_steps, n_units))
    from_inputs = x @ kernel + bias
    c = h = np.zeros((n_rows, n_units))
    # What is computed behind the last token may grow beyond all bounds.
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(n_steps):
            before = from_inputs[:, step] + h @ recurrent_kernel
            i, f, g, o = np.split(before, 4, axis=1)
            i, f, g, o = expit(i), expit(f), activation(g), expit(o)
            c = f * c + i * g
            h = o * activation(c)
            states[:, :, step] = i, f, g, o, c, h
    return states


def _activation(name: str) -> _Activation:
    """Return the activation of Keras for arrays of numpy."""
    if name == "tanh":
        return np.tanh
    from sklstm._runtime import keras

    function, ops = keras.activations.get(name), keras.ops

    def activation(x: Floats) -> Floats:
        values = function(ops.convert_to_tensor(x.astype(np.float32)))
        return np.asarray(ops.convert_to_numpy(values), dtype=np.float64)

    return activation
