"""Arrays in memory that JAX reads in place, with room for the rows that a network adds."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

# JAX copies arrays whose address is not a multiple of this number of bytes.
_ALIGNMENT = 64


class _Buffer(np.ndarray):
    """The memory of an array from `align`; `n_rows` is the number of rows of this array."""

    n_rows: int


def align(array: NDArray[Any], n_rows: int) -> NDArray[Any]:
    """Return a copy of an array, followed by zeros in memory up to `n_rows` rows."""
    shape = n_rows, *array.shape[1:]
    n_bytes = prod(shape) * array.itemsize
    buffer = _Buffer(n_bytes + _ALIGNMENT, np.uint8)
    buffer.n_rows = len(array)
    start = -buffer.ctypes.data % _ALIGNMENT
    room = np.ndarray(shape, array.dtype, buffer, start)
    room[: len(array)], room[len(array) :] = array, 0
    return room[: len(array)]


def is_aligned(array: NDArray[Any]) -> bool:
    """Return whether JAX reads an array in place."""
    return array.flags.c_contiguous and array.ctypes.data % _ALIGNMENT == 0


def pad_rows(array: NDArray[Any], n_rows: int) -> NDArray[Any]:
    """Return an array with rows of zeros after its rows, in place if it has room for them."""
    if n_rows == len(array):
        return array
    room = array.base
    if isinstance(room, np.ndarray) and _n_rows(room.base) == len(array) and n_rows <= len(room):
        return room[:n_rows]
    return np.pad(array, ((0, n_rows - len(array)), (0, 0)))


def _n_rows(buffer: object) -> int | None:
    """Return the number of rows of the array that `align` has put in a buffer."""
    return buffer.n_rows if isinstance(buffer, _Buffer) else None
