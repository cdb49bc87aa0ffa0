"""An LSTM over time for JAX on a CPU: forward and backward loops of our own.

XLA's CPU compiler fuses the gates of an LSTM step badly when they are written in the obvious way.
Here all four gates take one tanh over one array, since sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, and
barriers keep XLA from computing a value again for each use. The forward loop saves what the
gradients are multiplied by, while it is in the cache, so that the backward loop does little more
than one matrix product a step.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax


@jax.custom_vjp
def lstm(x: Array, mask: Array, kernel: Array, recurrent_kernel: Array, bias: Array) -> Array:
    """Return the hidden state after each step of a batch of sequences, from a state of zeros.

    Parameters
    ----------
    x : array of shape (n_steps, n_rows, n_inputs)
        Inputs.
    mask : array of bool of shape (n_steps, n_rows, 1)
        False at steps that leave the state as it is.
    kernel, recurrent_kernel, bias : array
        Of shapes (n_inputs, 4 * units), (units, 4 * units) and (4 * units,), the gates in the
        order input, forget, cell, output.

    Returns
    -------
    h : array of shape (n_steps, n_rows, units)
    """
    return _forward(x, mask, kernel, recurrent_kernel, bias)[0]


def _forward(
    x: Array, mask: Array, kernel: Array, recurrent_kernel: Array, bias: Array
) -> tuple[Array, tuple[Array, ...]]:
    """Return the hidden states, and with them what the backward loop needs."""
    kernels = jnp.concatenate([kernel, recurrent_kernel])
    units = recurrent_kernel.shape[0]
    is_cell_input = jnp.arange(4 * units) // units == 2
    scale = jnp.where(is_cell_input, 1.0, 0.5).astype(x.dtype)

    def step(state: tuple[Array, Array], inputs: tuple[Array, Array]) -> tuple[Any, Any]:
        h, c = state
        x_t, is_taken = inputs
        z = jnp.concatenate([x_t, h], axis=1) @ kernels + bias
        gates = lax.optimization_barrier(jnp.tanh(z * scale) * scale + (1.0 - scale))
        i, f, g, o = jnp.split(gates, 4, axis=1)
        c_new = lax.optimization_barrier(f * c + i * g)
        tanh_c = lax.optimization_barrier(jnp.tanh(c_new))
        h_new = o * tanh_c
        # Derivatives of the new cell state by the first three parts of z, of h by the last.
        by_z = jnp.concatenate(
            [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], axis=1
        )
        by_z = lax.optimization_barrier(jnp.where(is_taken, by_z, 0.0))
        h_by_c = jnp.where(is_taken, o * (1 - tanh_c * tanh_c), 0.0)
        c_by_c = jnp.where(is_taken, f, 1.0)
        h_new = jnp.where(is_taken, h_new, h)
        c_new = jnp.where(is_taken, c_new, c)
        return (h_new, c_new), (h_new, by_z, h_by_c, c_by_c)

    zeros = jnp.zeros((x.shape[1], units), x.dtype)
    _, (h, by_z, h_by_c, c_by_c) = lax.scan(step, (zeros, zeros), (x, mask))
    return h, (x, mask, kernel, recurrent_kernel, h, by_z, h_by_c, c_by_c)


def _backward(saved: tuple[Array, ...], dh: Array) -> tuple[Any, ...]:
    """Return the gradients by the arguments of `lstm`, from that by its result."""
    x, mask, kernel, recurrent_kernel, h, by_z, h_by_c, c_by_c = saved
    recurrent_transposed = recurrent_kernel.T

    def step(state: tuple[Array, Array], inputs: tuple[Array, ...]) -> tuple[Any, Array]:
        dh_later, dc_later = state
        dh_here, is_taken, by_z_t, h_by_c_t, c_by_c_t = inputs
        dh_t = dh_later + dh_here
        dc_t = lax.optimization_barrier(dc_later + dh_t * h_by_c_t)
        dz = lax.optimization_barrier(jnp.concatenate([dc_t, dc_t, dc_t, dh_t], axis=1) * by_z_t)
        dh_before = jnp.where(is_taken, dz @ recurrent_transposed, dh_t)
        return (dh_before, dc_t * c_by_c_t), dz

    zeros = jnp.zeros_like(h[0])
    steps = (dh, mask, by_z, h_by_c, c_by_c)
    _, dz = lax.scan(step, (zeros, zeros), steps, reverse=True)
    h_before = jnp.concatenate([jnp.zeros_like(h[:1]), h[:-1]])
    rows = dz.reshape(-1, dz.shape[2])
    return (
        (rows @ kernel.T).reshape(x.shape),
        None,
        x.reshape(-1, x.shape[2]).T @ rows,
        h_before.reshape(-1, h.shape[2]).T @ rows,
        rows.sum(axis=0),
    )


lstm.defvjp(_forward, _backward)
