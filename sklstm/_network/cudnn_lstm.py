"""LSTM loop over time for JAX on a GPU: the kernel of cuDNN, with support for masks.

cuDNN supports sequences of different lengths that start at the first step. The unmasked steps of
each row are therefore moved to the front, and the state at each step is looked up afterwards.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.experimental import rnn


def lstm(x: Array, mask: Array, weights: tuple[Array, Array, Array], sequences: bool) -> Array:
    """Return the hidden states of a batch of sequences, from a state of zeros.

    Parameters and result are those of `sklstm._network.jax_kernels.lstm`, without the workspace.
    """
    kernel, recurrent_kernel, bias = weights
    n_inputs, units = len(kernel), len(recurrent_kernel)
    n_taken = jnp.cumsum(mask, axis=0, dtype=jnp.int32)
    order = jnp.argsort(~mask, axis=0, stable=True)
    rows = jnp.take_along_axis(x, order[..., None], axis=0).swapaxes(0, 1)
    # cuDNN has the same order of the gates, and adds two biases.
    parts = kernel.T, recurrent_kernel.T, bias, jnp.zeros_like(bias)
    zeros = jnp.zeros((1, len(rows), units), x.dtype)
    states, last, _ = rnn.lstm(
        rows,
        zeros,
        zeros,
        jnp.concatenate([part.ravel() for part in parts]),
        jnp.maximum(n_taken[-1], 1),
        n_inputs,
        units,
        1,  # Number of layers.
        0.0,  # Dropout.
        False,  # Both directions.
    )
    if not sequences:
        return jnp.where(n_taken[-1][:, None] > 0, last[0], 0.0)
    last_taken = jnp.maximum(n_taken, 1)[..., None] - 1
    h = jnp.take_along_axis(states.swapaxes(0, 1), last_taken, axis=0)
    return jnp.where(n_taken[..., None] > 0, h, 0.0)
