"""Look up rows of an embedding matrix on JAX, and get gradients by these rows alone.

The gradient by a whole matrix is as large as the matrix, though a part of a batch reads a few
hundred of its rows. So training differentiates by the vectors that were looked up, and adds them
up by token afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import jax
from jax import Array, lax


@dataclass
class Tap:
    """Where the gradient by looked-up vectors comes out.

    Attributes
    ----------
    slot : array of shape (n_steps, n_rows, n_values)
        An argument of the function that is differentiated; its values do not matter. The gradient
        by it is that by the vectors.
    ids : array of int32 of shape (n_steps, n_rows), or None
        The rows that were looked up, as soon as they were.
    """

    slot: Array
    ids: Array | None = None


_open_tap: ContextVar[Tap | None] = ContextVar("tap", default=None)


@contextmanager
def tapping(slot: Array) -> Iterator[Tap]:
    """Lead gradients of the next lookup in this thread to `slot`."""
    tap = Tap(slot)
    token = _open_tap.set(tap)
    try:
        yield tap
    finally:
        _open_tap.reset(token)


def lookup(embeddings: Array, ids: Array) -> Array:
    """Return rows of a matrix, for ids that are not checked.

    Parameters
    ----------
    embeddings : array of shape (n_tokens, n_values)
        A row a token.
    ids : array of int32 of shape (n_steps, n_rows)
        Tokens.

    Returns
    -------
    vectors : array of shape (n_steps, n_rows, n_values)
    """
    rows = embeddings.at[ids]
    vectors = rows.get(mode="promise_in_bounds", wrap_negative_indices=False)
    tap = _open_tap.get()
    if tap is None:
        return vectors
    tap.ids = ids
    return _tapped(vectors, tap.slot)


def add_rows(matrix: Array, ids: Sequence[Array], vectors: Sequence[Array]) -> Array:
    """Return a matrix with arrays of vectors added to its rows `ids`, one array after the other."""
    # In the very form that XLA's CPU compiler works in: it would copy arrays of any other.
    windows = lax.ScatterDimensionNumbers(
        update_window_dims=(1, 2), inserted_window_dims=(), scatter_dims_to_operand_dims=(0,)
    )
    in_bounds = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    for of_part, gradient in zip(ids, vectors, strict=True):
        rows = gradient.reshape(-1, 1, matrix.shape[1])
        matrix = lax.scatter_add(matrix, of_part.reshape(-1, 1), rows, windows, mode=in_bounds)
    return matrix


@jax.custom_vjp
def _tapped(vectors: Array, slot: Array) -> Array:
    return vectors


_tapped.defvjp(lambda vectors, _: (vectors, None), lambda _, gradient: (gradient, gradient))
