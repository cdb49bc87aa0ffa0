"""Aligned arrays are read in place, and have room for rows of zeros."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from sklstm._network.aligned import align, is_aligned, pad_rows

ARRAY = np.arange(1, 13, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize("shape", [(4, 3), (5,), (1, 1), (7, 2, 2)])
@pytest.mark.parametrize("room", [0, 1, 9])
def test_a_copy_is_aligned(shape, room):
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    copied = align(array, len(array) + room)
    assert is_aligned(copied)
    assert type(copied) is np.ndarray
    assert copied.flags.writeable
    assert not np.shares_memory(copied, array)
    np.testing.assert_array_equal(copied, array)


def test_rows_are_added_in_place_if_there_is_room():
    array = align(ARRAY, 6)
    for n_rows in (4, 5, 6):
        padded = pad_rows(array, n_rows)
        assert np.shares_memory(padded, array)
        np.testing.assert_array_equal(padded, np.pad(ARRAY, ((0, n_rows - 4), (0, 0))))
    assert not np.shares_memory(pad_rows(array, 7), array)


@pytest.mark.parametrize(
    "part",
    [
        ARRAY,
        align(ARRAY, 8)[:2],
        align(ARRAY, 8)[1:],
        align(ARRAY, 8)[:0],
        align(ARRAY, 8).copy(),
        copy.deepcopy(align(ARRAY, 8)),
        pickle.loads(pickle.dumps(align(ARRAY, 8))),
        pickle.loads(pickle.dumps(align(ARRAY, 8), protocol=5)),
    ],
)
def test_others_are_copied(part):
    padded = pad_rows(part, 6)
    np.testing.assert_array_equal(padded, np.pad(part, ((0, 6 - len(part)), (0, 0))))
    assert not np.shares_memory(padded, part)


def test_a_change_in_place_is_seen():
    array = align(ARRAY, 6)
    array[0, 0] = 99
    assert pad_rows(array, 6)[0, 0] == 99


def test_the_room_is_not_saved():
    assert len(pickle.dumps(align(ARRAY, 10_000))) < 1_000
