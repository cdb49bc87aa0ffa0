"""Pairs of fast and stock LSTM layers, and masks, for tests on JAX."""

from __future__ import annotations

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


def outputs_and_gradients(layer, x, mask):
    """Return the outputs, and the gradients of a sum of squares by weights and inputs."""
    fixed = [v.value for v in layer.non_trainable_variables]

    def loss(weights, x):
        outputs, _ = layer.stateless_call(weights, fixed, x, mask=mask)
        # Distinct weights, so that no error can cancel out.
        return (outputs**2 * np.cos(np.arange(outputs.size)).reshape(outputs.shape)).sum(), outputs

    weights = [v.value for v in layer.trainable_variables]
    compute = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (_, outputs), gradients = compute(weights, x)
    return [np.asarray(a) for a in [outputs, *jax.tree.leaves(gradients)]]
