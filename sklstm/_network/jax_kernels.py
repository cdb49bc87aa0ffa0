"""JAX kernels for a CPU: an LSTM over time, and an embedding lookup with row-wise gradients.

**LSTM.** In a straightforward implementation of an LSTM step, XLA's CPU compiler does not fuse the
gates efficiently. Here all four gates are computed with a single tanh over one array, because
sigmoid(z) = tanh(z / 2) / 2 + 1 / 2. Optimization barriers prevent XLA from recomputing a value for
each use. The forward loop stores the factors of the gradients while they are in the cache, so that
the backward loop consists of little more than one matrix product per step. The gradients of the
kernels are summed over chunks of steps that are still in the cache.

The loops run from the first step at which any row is not masked to the last one, independent of the
width of the arrays. Padding therefore costs almost no time, and one compiled function is used for
documents of all lengths.

Using newly allocated memory takes as much time as the computation, because the operating system
clears each page when it is first written to. The forward loop therefore writes to workspace
buffers, which the caller can pass in and reuse in the next step. `lstm` returns the buffers as the
"gradient" with respect to them.

**Embedding.** The gradient with respect to an embedding matrix is as large as the matrix, although
a micro-batch uses only a few hundred rows. In training, the gradient is therefore computed with
respect to the looked-up vectors, and then summed by token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

# Buffers of one layer.
Workspace = tuple[Array, ...]
# Kernel, recurrent kernel and bias of a layer.
Weights = tuple[Array, Array, Array]
# Hidden state, cell state, outputs of all steps, saved intermediate results.
LoopState = tuple[Array, Array, tuple[Array, ...], tuple[Array, ...]]
# Maps step and hidden state to the inputs of the matrix product and the preactivations.
Preactivations = Callable[[Array, Array], tuple[Array, Array]]
# Maps step, loop state and preactivations to the next loop state.
Step = Callable[[Array, LoopState, Preactivations], LoopState]
Residuals = tuple[Array, tuple[Array, Array], Workspace, tuple[Array, Array]]

# Candidates for the number of steps whose kernel gradients are computed in one matrix product, all
# divisors of the first one. The first candidate is used for which XLA computes the product in a
# single thread. Several threads for each of the parallel micro-batches would block one another.
_CHUNKS = (4, 2, 1)
_MAX_MULTIPLICATIONS = 1_500_000
# Steps whose inputs are multiplied by the kernel in one product, in the prediction of one row.
_ONE_ROW_CHUNK = 32
# Number of workspace buffers that the forward loop fills. The others are used by the backward loop.
_N_SAVED = 4
# For matrix products with at most this many columns, XLA generates its own code instead of calling
# Eigen. This takes several times as long to compile and is not faster.
_FEW_COLUMNS = 128

_workspaces: ContextVar[Iterator[Workspace] | None] = ContextVar("workspaces", default=None)


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def lstm(x: Array, mask: Array, weights: Weights, workspace: Workspace, sequences: bool) -> Array:
    """Return the hidden states of a batch of sequences, from a state of zeros.

    Parameters
    ----------
    x : array of shape (n_steps, n_rows, n_inputs)
        Inputs.
    mask : array of bool of shape (n_steps, n_rows)
        False at steps that leave the state unchanged.
    weights : tuple of array
        Kernel, recurrent kernel and bias, of shapes (n_inputs, 4 * units), (units, 4 * units) and
        (4 * units,), with the gates in the order of `sklstm._network.spec.GATES`.
    workspace : tuple of array
        Buffers of the shapes `workspace_shapes`, for `n_steps` or more steps. Their content is
        ignored. The "gradient" with respect to them contains the overwritten buffers.
    sequences : bool
        Whether to return the state after each step, or after the last one only.

    Returns
    -------
    h : array of shape (n_steps, n_rows, units) or (n_rows, units)
    """
    return _run(x, mask, weights, (), sequences)[0]


def workspace_shapes(
    n_steps: int, n_rows: int, n_inputs: int, units: int
) -> tuple[tuple[int, int, int], ...]:
    """Return the shapes of the buffers that `lstm` writes its intermediate results to."""
    n_padded = n_steps + -n_steps % _CHUNKS[0]
    widths = (n_inputs + units + 1, 4 * units, units, units, n_inputs)
    chunk = _chunk(n_rows, n_inputs, units)
    return (*((n_padded, n_rows, width) for width in widths), (chunk, n_rows, 4 * units))


@contextmanager
def use_workspaces(workspaces: Sequence[Workspace]) -> Iterator[None]:
    """Assign the given buffers, in order, to the LSTM layers called in this thread."""
    token = _workspaces.set(iter(workspaces))
    try:
        yield
    finally:
        _workspaces.reset(token)


def next_workspace(x: Array, units: int) -> Workspace:
    """Return the buffers for the next layer: those of `use_workspaces`, or new ones."""
    workspaces = _workspaces.get()
    if workspaces is not None:
        return next(workspaces)
    n_steps, n_rows, n_inputs = x.shape
    shapes = workspace_shapes(n_steps, n_rows, n_inputs, units)
    return tuple(lax.empty(shape, x.dtype) for shape in shapes)


def _run(
    x: Array, mask: Array, weights: Weights, workspace: Workspace, sequences: bool
) -> tuple[Array, Workspace, tuple[Array, Array]]:
    """Run over time; with a workspace, save the intermediate results for the gradients.

    Returns
    -------
    h : array
        The result of `lstm`.
    workspace : tuple of array
        The filled buffers.
    span : tuple of array
        First step, and one past the last step, of the loop.
    """
    n_steps, n_rows, _ = x.shape
    units = len(weights[1])
    # Only the backward loop needs whole chunks.
    multiple = _CHUNKS[0] if workspace else 1
    is_taken = _pad(mask, multiple)
    x = _pad(x, multiple)
    start, end = span = _span(mask, multiple)
    is_cell_input = (np.arange(4 * units) // units == 2).astype(x.dtype)
    scale = (1 + is_cell_input) / 2

    def step(t: Array, state: LoopState, preactivations: Preactivations) -> LoopState:
        h, c, outputs, saved = state
        taken = _at(is_taken, t)[:, None]
        inputs, z = preactivations(t, h)
        gates = jnp.tanh(z * scale) * scale + (1.0 - scale)
        gates = lax.optimization_barrier(gates)
        i, f, g, o = jnp.split(gates, 4, axis=1)
        c_new = lax.optimization_barrier(jnp.where(taken, f * c + i * g, c))
        tanh_c = lax.optimization_barrier(jnp.tanh(c_new))
        h_new = jnp.where(taken, o * tanh_c, h)
        if saved:
            # Derivatives of the new cell state with respect to the first three parts of z, and of h
            # with respect to the last one.
            factor = lax.optimization_barrier(jnp.concatenate([g, c, i, tanh_c], axis=1))
            by_z = jnp.where(taken, (1 - gates) * (gates + is_cell_input) * factor, 0.0)
            # Derivatives of h and of the new cell state with respect to the cell state.
            h_by_c = jnp.where(taken, o * (1 - tanh_c * tanh_c), 0.0)
            c_by_c = jnp.where(taken, f, 1.0)
            saved = _put_all(saved, (inputs, by_z, h_by_c, c_by_c), t)
        return h_new, c_new, _put_all(outputs, (h_new,), t), saved

    zeros = jnp.zeros((n_rows, units), x.dtype)
    outputs: tuple[Array, ...]
    outputs = (lax.empty((len(x), n_rows, units), x.dtype),) if sequences else ()
    state = (zeros, zeros, outputs, workspace[:_N_SAVED])
    loop = _one_row_loop if n_rows == 1 and not workspace else _loop
    h, _, outputs, saved = loop(step, x, weights, span, state)
    if sequences:

        def fill(value: Array) -> Callable[[Array, Array], Array]:
            return lambda t, filled: _put(filled, value, t)

        filled = lax.fori_loop(0, start, fill(zeros), outputs[0])
        h = lax.fori_loop(end, len(x), fill(h), filled)[:n_steps]
    return h, (*saved, *workspace[_N_SAVED:]), span


def _loop(
    step: Step, x: Array, weights: Weights, span: tuple[Array, Array], state: LoopState
) -> LoopState:
    """Run `step` with one matrix product per step.

    The bias is a row of the kernels, so that the product also includes the bias and, in training,
    its gradient.
    """
    kernel, recurrent_kernel, bias = weights
    n_columns = kernel.shape[1]
    kernels = _with_many_columns(jnp.concatenate([kernel, recurrent_kernel, bias[None]]))
    one = np.ones((x.shape[1], 1), x.dtype)

    def preactivations(t: Array, h: Array) -> tuple[Array, Array]:
        inputs = jnp.concatenate([_at(x, t), h, one], axis=1)
        return inputs, (inputs @ kernels)[:, :n_columns]

    return lax.fori_loop(*span, lambda t, state: step(t, state, preactivations), state)


def _one_row_loop(
    step: Step, x: Array, weights: Weights, span: tuple[Array, Array], state: LoopState
) -> LoopState:
    """Run `step` for a single row, for which reading the kernels takes most of the time.

    The products of the inputs are computed for a chunk of steps, so that each step reads only the
    recurrent kernel.
    """
    kernel, recurrent_kernel, bias = weights
    n_columns = kernel.shape[1]
    start, end = span
    x = _pad(x, _ONE_ROW_CHUNK)[:, 0]
    kernel, recurrent_kernel = map(_with_many_columns, (kernel, recurrent_kernel))

    def chunk(number: Array, state: LoopState) -> LoopState:
        first = number * _ONE_ROW_CHUNK
        products = _steps(x, first, _ONE_ROW_CHUNK) @ kernel
        by_x = lax.optimization_barrier(products[:, :n_columns] + bias)

        def preactivations(t: Array, h: Array) -> tuple[Array, Array]:
            return h, _at(by_x, t - first) + (h @ recurrent_kernel)[:, :n_columns]

        bounds = jnp.maximum(start, first), jnp.minimum(end, first + _ONE_ROW_CHUNK)
        return lax.fori_loop(*bounds, lambda t, state: step(t, state, preactivations), state)

    return lax.fori_loop(start // _ONE_ROW_CHUNK, -(-end // _ONE_ROW_CHUNK), chunk, state)


def _forward(
    x: Array, mask: Array, weights: Weights, workspace: Workspace, sequences: bool
) -> tuple[Array, Residuals]:
    """Return the hidden states, and the inputs of the backward loop."""
    h, workspace, span = _run(x, mask, weights, workspace, sequences)
    return h, (mask, weights[:2], workspace, span)


def _backward(sequences: bool, residuals: Residuals, dh: Array) -> tuple[object, ...]:
    """Return the gradients with respect to the arguments of `lstm`."""
    mask, kernels, workspace, (start, end) = residuals
    inputs, by_z, h_by_c, c_by_c = saved = workspace[:_N_SAVED]
    dx, dz = workspace[_N_SAVED:]
    is_taken = _pad(mask, _CHUNKS[0])
    n_padded, n_rows = is_taken.shape
    n_inputs, units = map(len, kernels)
    chunk_steps = len(dz)
    by_transposed, by_recurrent_transposed = map(_product_with_transposed, kernels)
    if sequences:
        dh_of_steps = _pad(dh, _CHUNKS[0])
        # The state does not change after the span, so add up the gradients of those steps.
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
        dx = _put_steps(dx, by_transposed(rows).reshape(chunk_steps, n_rows, n_inputs), first)
        read = _steps(inputs, first, chunk_steps).reshape(len(rows), -1)
        of_chunk = read[:, :n_inputs].T @ rows, read[:, n_inputs:].T @ rows
        return dh, dc, dz, dx, *map(jnp.add, dkernels, of_chunk)

    dkernels = [jnp.zeros((n, 4 * units), dh.dtype) for n in (n_inputs, units + 1)]
    state = (dh_last, jnp.zeros_like(dh_last), dz, dx, *dkernels)
    state = lax.fori_loop(0, (end - start) // chunk_steps, chunk, state)
    _, _, dz, dx, dkernel, dothers = state
    drecurrent, dbias = dothers[:units], dothers[units]
    # Outside the span, dx contains values of earlier calls.
    by_x = jnp.where(is_taken[:, :, None], dx, 0.0)[: len(mask)]
    return by_x, None, (dkernel, drecurrent, dbias), (*saved, dx, dz)


lstm.defvjp(_forward, _backward)


def _with_many_columns(kernels: Array) -> Array:
    """Add columns of zeros to kernels of few columns."""
    missing = max(0, _FEW_COLUMNS + 1 - kernels.shape[1])
    return jnp.pad(kernels, ((0, 0), (0, -(-missing // 8) * 8)))


def _product_with_transposed(kernel: Array) -> Callable[[Array], Array]:
    """Return a function that multiplies rows by the transpose of a kernel."""
    if kernel.shape[1] <= _FEW_COLUMNS:
        return lambda rows: lax.dot_general(rows, kernel, (((1,), (1,)), ((), ())))
    # Copying the transpose once makes each product faster.
    transposed = kernel.T
    return lambda rows: rows @ transposed


def _chunk(n_rows: int, n_inputs: int, units: int) -> int:
    """Return the number of steps in a chunk."""
    of_step = n_rows * max(n_inputs, units + 1) * 4 * units
    fitting = (n for n in _CHUNKS if n * of_step <= _MAX_MULTIPLICATIONS)
    return next(fitting, _CHUNKS[0])


def _pad(array: Array, multiple: int) -> Array:
    """Append steps to an array, up to a multiple of a number of steps."""
    missing = -len(array) % multiple
    return jnp.pad(array, ((0, missing), *[(0, 0)] * (array.ndim - 1)))


def _span(mask: Array, multiple: int) -> tuple[Array, Array]:
    """Return the first step and one past the last step at which any row is not masked.

    The span is extended so that both are a multiple of a number of steps.
    """
    n_steps = np.int32(len(mask))
    steps = np.arange(n_steps, dtype=np.int32)[:, None]
    first, behind = lax.reduce(
        (jnp.where(mask, steps, n_steps), jnp.where(mask, steps + 1, 0)),
        (n_steps, np.int32(0)),
        lambda one, other: (lax.min(one[0], other[0]), lax.max(one[1], other[1])),
        (0, 1),
    )
    behind = -(-behind // multiple) * multiple
    return jnp.minimum(first // multiple * multiple, behind), behind


# Indices are never negative. Checking them would take an additional kernel at each step.


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


@dataclass
class LookupGradient:
    """Captures the gradient with respect to the vectors that `lookup` returned.

    Attributes
    ----------
    slot : array of shape (n_steps, n_rows, vector_size)
        An argument of the differentiated function. Its values are ignored; the gradient with
        respect to it is the gradient with respect to the looked-up vectors.
    ids : array of int32 of shape (n_steps, n_rows), or None
        The rows that were looked up; None before the lookup.
    """

    slot: Array
    ids: Array | None = None


_active_lookup: ContextVar[LookupGradient | None] = ContextVar("lookup", default=None)


@contextmanager
def capture_lookup_gradient(slot: Array) -> Iterator[LookupGradient]:
    """Redirect the gradient of the next lookup in this thread to `slot`."""
    captured = LookupGradient(slot)
    token = _active_lookup.set(captured)
    try:
        yield captured
    finally:
        _active_lookup.reset(token)


def lookup(embeddings: Array, ids: Array) -> Array:
    """Return rows of a matrix. Ids are not checked.

    Parameters
    ----------
    embeddings : array of shape (n_tokens, vector_size)
        One row per token.
    ids : array of int32 of shape (n_steps, n_rows)
        Token ids.

    Returns
    -------
    vectors : array of shape (n_steps, n_rows, vector_size)
    """
    rows = embeddings.at[ids]
    vectors = rows.get(mode="promise_in_bounds", wrap_negative_indices=False)
    captured = _active_lookup.get()
    if captured is None:
        return vectors
    captured.ids = ids
    return _redirected(vectors, captured.slot)


def add_rows(matrix: Array, ids: Sequence[Array], vectors: Sequence[Array]) -> Array:
    """Add arrays of vectors to the rows `ids` of a matrix, one array after the other."""
    # With this form of the scatter operation, XLA's CPU compiler makes no copies.
    windows = lax.ScatterDimensionNumbers(
        update_window_dims=(1, 2), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,)
    )
    in_bounds = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    for part_ids, gradient in zip(ids, vectors, strict=True):
        rows = gradient.reshape(-1, 1, matrix.shape[1])
        matrix = lax.scatter_add(matrix, part_ids.reshape(-1, 1), rows, windows, mode=in_bounds)
    return matrix


@jax.custom_vjp
def _redirected(vectors: Array, slot: Array) -> Array:
    return vectors


_redirected.defvjp(lambda vectors, _: (vectors, None), lambda _, gradient: (gradient, gradient))
