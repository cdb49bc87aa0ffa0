"""An LSTM over time for JAX on a CPU: forward and backward loops of our own.

XLA's CPU compiler fuses the gates of an LSTM step badly when they are written in the obvious way.
Here all four gates take one tanh over one array, since sigmoid(z) = tanh(z / 2) / 2 + 1 / 2, and
barriers keep XLA from computing a value again for each use. The forward loop saves what the
gradients are multiplied by, while it is in the cache, so that the backward loop does little more
than one matrix product a step. The gradients of the kernels are summed over chunks of steps that
are still in the cache.

The loops run from the first step that any row takes to the last one, whatever the width of the
arrays: padding costs next to nothing, and one compiled function serves documents of all lengths.

Fresh memory costs as much time as arithmetic: the operating system clears each page when it is
first written to. So what the forward loop saves goes to arrays that the caller may pass in and get
back, to be used again at the next step. Inside of JAX they come back as if they were gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

# Steps whose gradients by the kernels are one matrix product: the first number of them, all
# divisors of the first, for which it has no more multiplications than XLA's library computes on one
# thread. Several threads for each of several parts of a batch would wait for one another.
_CHUNKS = (4, 2, 1)
_MOST_MULTIPLICATIONS = 1_500_000
# Scratch arrays that the forward loop fills for the backward loop, which has the others.
_SAVED = 4
# Matrix products of so few columns XLA compiles itself, for several times as long as it takes to
# compile a call of Eigen, and to functions that are no quicker.
_FEW_COLUMNS = 128

_lent_scratch: ContextVar[Iterator[tuple[Array, ...]] | None] = ContextVar("scratch", default=None)


@partial(jax.custom_vjp, nondiff_argnums=(6,))
def lstm(
    x: Array,
    mask: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    scratch: tuple[Array, ...],
    sequences: bool,
) -> Array:
    """Return the hidden state of a batch of sequences, from a state of zeros.

    Parameters
    ----------
    x : array of shape (n_steps, n_rows, n_inputs)
        Inputs.
    mask : array of bool of shape (n_steps, n_rows)
        False at steps that leave the state as it is.
    kernel, recurrent_kernel, bias : array
        Of shapes (n_inputs, 4 * units), (units, 4 * units) and (4 * units,), the gates in the
        order input, forget, cell, output.
    scratch : tuple of array
        Of `scratch_shapes`, for `n_steps` or more. Their content does not matter; the "gradient"
        by them are the same arrays, written over.
    sequences : bool
        Whether to return the state after each step, or after the last one only.

    Returns
    -------
    h : array of shape (n_steps, n_rows, units) or (n_rows, units)
    """
    return _run(x, mask, kernel, recurrent_kernel, bias, (), sequences)[0]


def scratch_shapes(
    n_steps: int, n_rows: int, n_inputs: int, units: int
) -> tuple[tuple[int, int, int], ...]:
    """Return the shapes of the arrays that `lstm` keeps its intermediate results in."""
    n_padded = _padded(n_steps)
    widths = (n_inputs + units + 1, 4 * units, units, units, n_inputs)
    chunk = _chunk(n_rows, n_inputs, units)
    return (*((n_padded, n_rows, width) for width in widths), (chunk, n_rows, 4 * units))


@contextmanager
def lending_scratch(arrays: Sequence[tuple[Array, ...]]) -> Iterator[None]:
    """Lend scratch arrays to the layers called meanwhile in this thread, in their order."""
    token = _lent_scratch.set(iter(arrays))
    try:
        yield
    finally:
        _lent_scratch.reset(token)


def borrowed_scratch(x: Array, units: int) -> tuple[Array, ...]:
    """Return the scratch arrays lent to the next layer, or new ones if nobody lends any."""
    lent = _lent_scratch.get()
    if lent is not None:
        return next(lent)
    n_steps, n_rows, n_inputs = x.shape
    shapes = scratch_shapes(n_steps, n_rows, n_inputs, units)
    return tuple(lax.empty(shape, x.dtype) for shape in shapes)


def _run(
    x: Array,
    mask: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    scratch: tuple[Array, ...],
    sequences: bool,
) -> tuple[Array, tuple[Array, ...], tuple[Array, Array]]:
    """Run over time, saving what the gradients need if there is `scratch` to save it in.

    Returns
    -------
    h : array
        The result of `lstm`.
    scratch : tuple of array
        Filled.
    span : tuple of array
        First step run, and one past the last one.
    """
    n_steps, n_rows, _ = x.shape
    units = len(recurrent_kernel)
    is_taken = _pad(mask)
    x = _pad(x)
    start, end = span = _span(mask)
    kernels = _with_many_columns(jnp.concatenate([kernel, recurrent_kernel, bias[None]]))
    # As a row of the kernels the bias has its gradient from the same matrix product.
    one = np.ones((n_rows, 1), x.dtype)
    is_cell_input = (np.arange(4 * units) // units == 2).astype(x.dtype)
    scale = (1 + is_cell_input) / 2

    def step(t: Array, state: tuple[Any, ...]) -> tuple[Any, ...]:
        h, c, outputs, saved = state
        taken = _at(is_taken, t)[:, None]
        inputs = jnp.concatenate([_at(x, t), h, one], axis=1)
        z = (inputs @ kernels)[:, : 4 * units]
        gates = jnp.tanh(z * scale) * scale + (1.0 - scale)
        gates = lax.optimization_barrier(gates)
        i, f, g, o = jnp.split(gates, 4, axis=1)
        c_new = lax.optimization_barrier(jnp.where(taken, f * c + i * g, c))
        tanh_c = lax.optimization_barrier(jnp.tanh(c_new))
        h_new = jnp.where(taken, o * tanh_c, h)
        if saved:
            # Derivatives of the new cell state by the first three parts of z, of h by the last.
            factor = lax.optimization_barrier(jnp.concatenate([g, c, i, tanh_c], axis=1))
            by_z = jnp.where(taken, (1 - gates) * (gates + is_cell_input) * factor, 0.0)
            # Derivatives of h and of the new cell state by the cell state.
            h_by_c = jnp.where(taken, o * (1 - tanh_c * tanh_c), 0.0)
            c_by_c = jnp.where(taken, f, 1.0)
            saved = _put_all(saved, (inputs, by_z, h_by_c, c_by_c), t)
        return h_new, c_new, _put_all(outputs, (h_new,), t), saved

    zeros = jnp.zeros((n_rows, units), x.dtype)
    outputs = (lax.empty((len(x), n_rows, units), x.dtype),) if sequences else ()
    state = (zeros, zeros, outputs, scratch[:_SAVED])
    h, _, outputs, saved = lax.fori_loop(start, end, step, state)
    if sequences:

        def fill(value: Array) -> Callable[[Array, Array], Array]:
            return lambda t, filled: _put(filled, value, t)

        filled = lax.fori_loop(0, start, fill(zeros), outputs[0])
        h = lax.fori_loop(end, len(x), fill(h), filled)[:n_steps]
    return h, (*saved, *scratch[_SAVED:]), span


def _forward(
    x: Array,
    mask: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array,
    scratch: tuple[Array, ...],
    sequences: bool,
) -> tuple[Array, tuple[Any, ...]]:
    """Return the hidden states, and with them what the backward loop needs."""
    h, *saved = _run(x, mask, kernel, recurrent_kernel, bias, scratch, sequences)
    return h, (mask, (kernel, recurrent_kernel), *saved)


def _backward(sequences: bool, needed: tuple[Any, ...], dh: Array) -> tuple[Any, ...]:
    """Return the gradients by the arguments of `lstm`, from that by its result."""
    mask, kernels, scratch, (start, end) = needed
    inputs, by_z, h_by_c, c_by_c = saved = scratch[:_SAVED]
    dx, dz = scratch[_SAVED:]
    is_taken = _pad(mask)
    n_padded, n_rows = is_taken.shape
    n_inputs, units = map(len, kernels)
    chunk_steps = len(dz)
    by_transposed, by_recurrent_transposed = map(_product_with_transposed, kernels)
    if sequences:
        dh_of_steps = _pad(dh)
        # The steps behind the span repeat its last state.
        dh_last = lax.fori_loop(
            end, n_padded, lambda t, total: total + _at(dh_of_steps, t), jnp.zeros_like(dh[0])
        )
    else:
        dh_last = dh

    def chunk(number: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        dh, dc, dz, dx, *dkernels = state
        first = end - (number + 1) * chunk_steps

        def step(number: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
            dh, dc, dz = state
            place = chunk_steps - 1 - number
            t = first + place
            if sequences:
                dh = dh + _at(dh_of_steps, t)
            dc = lax.optimization_barrier(dc + dh * _at(h_by_c, t))
            dz_t = lax.optimization_barrier(jnp.concatenate([dc, dc, dc, dh], 1) * _at(by_z, t))
            dh = jnp.where(_at(is_taken, t)[:, None], by_recurrent_transposed(dz_t), dh)
            return dh, dc * _at(c_by_c, t), _put(dz, dz_t, place)

        dh, dc, dz = lax.fori_loop(0, chunk_steps, step, (dh, dc, dz))
        rows = dz.reshape(-1, 4 * units)
        dx_of_chunk = by_transposed(rows).reshape(chunk_steps, n_rows, n_inputs)
        dx = _put_steps(dx, dx_of_chunk, first)
        read = _steps(inputs, first, chunk_steps).reshape(len(rows), -1)
        of_chunk = read[:, :n_inputs].T @ rows, read[:, n_inputs:].T @ rows
        return dh, dc, dz, dx, *map(jnp.add, dkernels, of_chunk)

    state = (
        dh_last,
        jnp.zeros_like(dh_last),
        dz,
        dx,
        jnp.zeros((n_inputs, 4 * units), dh.dtype),
        jnp.zeros((units + 1, 4 * units), dh.dtype),
    )
    state = lax.fori_loop(0, (end - start) // chunk_steps, chunk, state)
    _, _, dz, dx, dkernel, dothers = state
    drecurrent, dbias = dothers[:units], dothers[units]
    # Outside of the span dx is whatever was there.
    by_x = jnp.where(is_taken[:, :, None], dx, 0.0)[: len(mask)]
    return by_x, None, dkernel, drecurrent, dbias, (*saved, dx, dz)


lstm.defvjp(_forward, _backward)


def _with_many_columns(kernels: Array) -> Array:
    """Add columns of zeros to kernels of few columns."""
    missing = max(0, _FEW_COLUMNS + 1 - kernels.shape[1])
    return jnp.pad(kernels, ((0, 0), (0, -(-missing // 8) * 8)))


def _product_with_transposed(kernel: Array) -> Callable[[Array], Array]:
    """Return the function that multiplies rows by the transposed of a kernel."""
    if kernel.shape[1] <= _FEW_COLUMNS:
        return lambda rows: lax.dot_general(rows, kernel, (((1,), (1,)), ((), ())))
    # To copy it once makes each product quicker.
    transposed = kernel.T
    return lambda rows: rows @ transposed


def _chunk(n_rows: int, n_inputs: int, units: int) -> int:
    """Return the steps of a chunk."""
    of_step = n_rows * max(n_inputs, units + 1) * 4 * units
    fitting = (n for n in _CHUNKS if n * of_step <= _MOST_MULTIPLICATIONS)
    return next(fitting, _CHUNKS[0])


def _padded(n_steps: int) -> int:
    return -(-n_steps // _CHUNKS[0]) * _CHUNKS[0]


def _pad(array: Array) -> Array:
    """Add steps to an array, up to a multiple of the chunk."""
    missing = _padded(len(array)) - len(array)
    return jnp.pad(array, ((0, missing), *[(0, 0)] * (array.ndim - 1)))


def _span(mask: Array) -> tuple[Array, Array]:
    """Return the bounds, multiples of any chunk, of the steps outside which no row takes any."""
    n_steps = np.int32(len(mask))
    steps = np.arange(n_steps, dtype=np.int32)[:, None]
    first, behind = lax.reduce(
        (jnp.where(mask, steps, n_steps), jnp.where(mask, steps + 1, 0)),
        (n_steps, np.int32(0)),
        lambda one, other: (lax.min(one[0], other[0]), lax.max(one[1], other[1])),
        (0, 1),
    )
    chunk = _CHUNKS[0]
    behind = -(-behind // chunk) * chunk
    return jnp.minimum(first // chunk * chunk, behind), behind


# No index is negative: to look whether one is would take a kernel of its own at each step.


def _at(array: Array, t: Array) -> Array:
    return lax.dynamic_index_in_dim(array, t, keepdims=False, allow_negative_indices=False)


def _steps(array: Array, first: Array, n: int) -> Array:
    return lax.dynamic_slice_in_dim(array, first, n, allow_negative_indices=False)


def _put(array: Array, value: Array, t: Array) -> Array:
    return _put_steps(array, value[None], t)


def _put_steps(array: Array, values: Array, first: Array) -> Array:
    return lax.dynamic_update_slice_in_dim(array, values, first, 0, allow_negative_indices=False)


def _put_all(arrays: tuple[Array, ...], values: tuple[Array, ...], t: Array) -> tuple[Array, ...]:
    return tuple(_put(array, value, t) for array, value in zip(arrays, values, strict=False))
