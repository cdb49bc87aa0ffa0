"""Pairs of fast and stock LSTM layers, and masks, for tests on JAX."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np

from sklstm._network.layers import FastLSTM
from sklstm._runtime import keras

N_INPUTS, UNITS = 5, 4
LENGTHS = np.array([7, 1, 4, 0, 6])


def padded(side):
    """Return a mask of `LENGTHS` tokens a row of 7 steps, padded on a side."""
    steps = np.arange(7)
    return steps < LENGTHS[:, None] if side == "right" else steps >= 7 - LENGTHS[:, None]


MASKS = {
    "no mask": None,
    "padded on the right": padded("right"),
    "padded on the left": padded("left"),
    "gaps": np.random.default_rng(0).random((5, 7)) < 0.5,
    "all tokens": np.ones((5, 7), dtype=bool),
}


def layers(**parameters):
    """Return a fast layer and a stock one of the same weights."""
    pair = []
    for layer_class in (FastLSTM, keras.layers.LSTM):
        layer = layer_class(UNITS, seed=0, **parameters)
        layer.build((None, None, N_INPUTS))
        rng = np.random.default_rng(0)
        layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
        pair.append(layer)
    return pair


#: The same, but later calls return the same layers, whose functions are compiled only once.
shared_layers = cache(layers)


def outputs(layer, x, mask):
    """Return the outputs."""
    weights, fixed = _variables(layer)
    return np.asarray(_compiled(layer)[0](weights, fixed, x, mask))


def outputs_and_gradients(layer, x, mask):
    """Return the outputs, and the gradients of a sum of squares by weights and inputs."""
    weights, fixed = _variables(layer)
    (_, computed), gradients = _compiled(layer)[1](weights, fixed, x, mask)
    return [np.asarray(a) for a in [computed, *jax.tree.leaves(gradients)]]


def _variables(layer):
    variables = layer.trainable_variables, layer.non_trainable_variables
    return [[v.value for v in of_kind] for of_kind in variables]


@cache
def _compiled(layer):
    """Return two functions that are compiled once for each shape, whatever the mask."""

    def compute(weights, fixed, x, mask):
        return layer.stateless_call(weights, fixed, x, mask=mask)[0]

    def loss(weights, fixed, x, mask):
        computed = compute(weights, fixed, x, mask)
        # Distinct weights, so that no error can cancel out.
        factors = np.cos(np.arange(computed.size)).reshape(computed.shape)
        return (computed**2 * factors).sum(), computed

    return jax.jit(compute), jax.jit(jax.value_and_grad(loss, argnums=(0, 2), has_aux=True))
